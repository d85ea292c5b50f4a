//! The layout of a disk as its readers see it: gdisk, sfdisk, partx, dosfstools and mtools.

use std::path::{Path, PathBuf};
use std::process::Command;

use genhost::diagnostic::Problem;
use genhost::emit::disk::{Boot, Seed, Size, around, root_offset};
use tempfile::TempDir;

const MIB: usize = 1 << 20;

/// Parts in GRUB's format; nothing here runs them.
fn boot() -> Boot {
    let mut boot_img = vec![0xb0; 512];
    boot_img[510..].copy_from_slice(&[0x55, 0xaa]);
    let mut core_img = vec![0xc0; 512 * 40 + 77];
    core_img[500..512].copy_from_slice(&[2, 0, 0, 0, 0, 0, 0, 0, 40, 0, 0x20, 0x08]);
    let efi = [b"MZ".to_vec(), (0..300_000_u32).flat_map(u32::to_le_bytes).collect()].concat();
    Boot { boot_img, core_img, efi }
}

const SEED: Seed = Seed([7; 32]);

/// A disk of 24 MiB of root file system.
fn disk() -> Vec<u8> {
    let size = Size::for_bytes(24 * MIB as u64 - 5);
    assert_eq!(size.mebibytes(), 24);
    let disk = around(size, &boot(), &SEED).expect("a disk");
    assert_eq!(disk.head.len() as u64, root_offset());
    [disk.head, vec![0xee; 24 * MIB], disk.tail].concat()
}

struct Written {
    folder: TempDir,
}

impl Written {
    fn new(bytes: &[u8]) -> Self {
        let folder = TempDir::new().expect("a temporary directory");
        std::fs::write(folder.path().join("disk"), bytes).expect("a file");
        Self { folder }
    }

    fn read(&self, program: &str, arguments: &[&str]) -> String {
        let paths = ["/usr/bin", "/usr/sbin"].map(|folder| Path::new(folder).join(program));
        let path: &PathBuf =
            paths.iter().find(|path| path.exists()).unwrap_or_else(|| panic!("{program} is missing: run `.ci/setup`"));
        let output = Command::new(path).args(arguments).current_dir(&self.folder).output().expect("a program");
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(output.status.success(), "{program} {arguments:?}: {said}");
        said
    }
}

#[test]
fn partition_tables_at_both_ends_hold() {
    let bytes = disk();
    let written = Written::new(&bytes);
    let said = written.read("sgdisk", &["-v", "disk"]);
    assert!(said.contains("No problems found"), "{said}");
    let said = written.read("sfdisk", &["--verify", "disk"]);
    assert!(said.contains("No errors detected"), "{said}");
    let said = written.read("partx", &["--raw", "--noheadings", "--output", "NR,START,SECTORS,NAME,TYPE", "disk"]);
    let expected = "1 2048 2048 bios 21686148-6449-6e6f-744e-656564454649\n\
                    2 4096 98304 esp c12a7328-f81f-11d2-ba4b-00a0c93ec93b\n\
                    3 102400 49152 root 4f68bce3-e8cd-4db1-96e7-fbcaf984b709\n";
    assert_eq!(said, expected);
    let said = written.read("partx", &["--raw", "--noheadings", "--output", "UUID", "disk"]);
    let mut ids: Vec<&str> = said.lines().collect();
    ids.dedup();
    assert_eq!(ids.len(), 3, "{said}");

    // What is left when the first table is lost.
    let mut broken = bytes.clone();
    broken[512..34 * 512].fill(0);
    let rest = Written::new(&broken);
    let said = rest.read("sfdisk", &["--dump", "disk"]);
    assert_eq!(said.matches("start=").count(), 3, "{said}");
}

#[test]
fn grub_finds_what_comes_next() {
    let bytes = disk();
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    assert_eq!(number(0x5c), 2048, "the first sector says where core.img is");
    assert_eq!(bytes[0x66..0x68], [0x90, 0x90]);
    assert_eq!(bytes[0..0x5c], boot().boot_img[0..0x5c]);
    assert_eq!(bytes[510..512], [0x55, 0xaa]);
    assert_eq!(number(MIB + 500), 2049, "and that where its own rest is");
    let core = boot().core_img;
    assert_eq!(bytes[MIB + 508..MIB + core.len()], core[508..]);
    assert!(bytes[50 * MIB..74 * MIB].iter().all(|byte| *byte == 0xee), "the root file system is as it was");
}

#[test]
fn the_efi_system_partition_is_a_clean_fat_with_one_program() {
    let bytes = disk();
    let written = Written::new(&bytes);
    std::fs::write(written.folder.path().join("esp"), &bytes[2 * MIB..50 * MIB]).expect("a file");
    let said = written.read("fsck.fat", &["-n", "-v", "esp"]);
    assert!(said.contains("FATs, 32 bit entries") && said.contains("esp: 4 files,"), "{said}");
    let listed = written.read("mdir", &["-i", "disk@@2M", "-/", "-a", "::"]);
    assert!(listed.contains("1980-01-01") && !listed.contains("202"), "{listed}");
    written.read("mcopy", &["-i", "disk@@2M", "::EFI/BOOT/BOOTX64.EFI", "program"]);
    assert_eq!(std::fs::read(written.folder.path().join("program")).expect("a file"), boot().efi);
}

#[test]
fn a_seed_decides_every_identifier() {
    let uuids = |seed: Seed| [seed.root_file_system(), seed.directory_hash()].map(|uuid| uuid.to_string());
    assert_eq!(disk(), disk());
    let (one, other) = (uuids(SEED), uuids(Seed([8; 32])));
    assert!(one[0] != one[1] && one[0] != other[0] && one[1] != other[1]);
    for uuid in one {
        let parts: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{uuid}");
        assert!(uuid[14..].starts_with('8') && "89ab".contains(&uuid[19..20]), "{uuid}");
    }
}

#[test]
fn parts_that_are_not_grubs_are_refused() {
    let size = Size::for_bytes(1);
    let refused = |boot: Boot| match around(size, &boot, &SEED) {
        Err(Problem::Emit { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(Boot { boot_img: vec![0; 512], ..boot() }), "boot.img is no boot sector");
    assert_eq!(refused(Boot { boot_img: Vec::new(), ..boot() }), "boot.img is no boot sector");
    assert_eq!(refused(Boot { core_img: vec![0; 100], ..boot() }), "core.img is not GRUB's for i386-pc");
    assert_eq!(refused(Boot { core_img: vec![0; 4096], ..boot() }), "core.img is not GRUB's for i386-pc");
    let mut large = boot();
    large.core_img.resize(2 * MIB, 0);
    large.core_img[508..510].copy_from_slice(&4095_u16.to_le_bytes());
    assert_eq!(refused(large), "core.img is too large");
    assert_eq!(refused(Boot { efi: Vec::new(), ..boot() }), "BOOTX64.EFI is no program of UEFI");
    let mut large = boot();
    large.efi.resize(60 * MIB, 0);
    assert_eq!(refused(large), "BOOTX64.EFI is too large");
}
