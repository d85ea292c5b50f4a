//! A bootable disk around a root file system: everything before it and everything after it, as bytes.
//!
//! ```text
//!  0 MiB   protective MBR with GRUB's boot.img, GPT
//!  1 MiB   BIOS boot partition: GRUB's core.img
//!  2 MiB   EFI system partition: EFI/BOOT/BOOTX64.EFI
//! 50 MiB   root file system, last, so that it can grow with the disk
//!  end     1 MiB with the backup GPT in its last sectors
//! ```
//!
//! It boots by BIOS and by UEFI. Nothing here asks a clock or chance: what has to be unique comes of a [`Seed`].

mod esp;
mod gpt;
mod grub;
mod identity;

use gpt::{Partition, Table};

pub use grub::{Boot, MODULES, PLATFORMS, configuration, early_configuration, file_systems};
pub use identity::Seed;

pub use super::uuid::Uuid;
use crate::diagnostic::Problem;

/// Debian's name of the architecture that boots like this.
pub const ARCHITECTURE: &str = "amd64";

/// Bytes of a sector.
const SECTOR: u64 = 512;
/// Bytes of a MiB, to which partitions are aligned.
const MIB: u64 = 1 << 20;
/// MiB at which the partitions begin.
const BIOS_BOOT: u64 = 1;
const ESP: u64 = 2;
const ROOT: u64 = 50;

/// What the partitions are: the specification's own, GRUB's, and the one of the Discoverable Partitions Specification.
const BIOS_BOOT_TYPE: Uuid = Uuid::known(0x2168_6148_6449_6e6f_744e_6565_6445_4649);
const ESP_TYPE: Uuid = Uuid::known(0xc12a_7328_f81f_11d2_ba4b_00a0_c93e_c93b);
const ROOT_TYPE: Uuid = Uuid::known(0x4f68_bce3_e8cd_4db1_96e7_fbca_f984_b709);

/// Size of a root file system, in whole MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(u32);

impl Size {
    /// The least that has room for so many bytes; some 4 PiB at most.
    pub fn for_bytes(bytes: u64) -> Self {
        Self(u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX))
    }

    /// In MiB.
    pub fn mebibytes(self) -> u32 {
        self.0
    }

    /// In bytes.
    pub fn bytes(self) -> u64 {
        u64::from(self.0) * MIB
    }
}

/// What is around a root file system. The disk is `head`, the file system, `tail`, and nothing in between.
#[derive(Debug)]
pub struct Disk {
    /// Everything before it.
    pub head: Vec<u8>,
    /// Everything after it.
    pub tail: Vec<u8>,
}

/// At which byte of the disk the root file system begins, which is how long a [`Disk::head`] is.
pub const fn root_offset() -> u64 {
    ROOT * MIB
}

/// Makes what is around a root file system of this size.
///
/// # Errors
/// A part of GRUB is not what it should be, or does not fit.
pub fn around(root: Size, boot: &Boot, seed: &Seed) -> Result<Disk, Problem> {
    let at = |mib: u64| mib * MIB / SECTOR;
    let end = ROOT + u64::from(root.0);
    let sectors = at(end + 1);
    let partition =
        |kind, name, first, next| Partition { kind, id: seed.uuid(name), first: at(first), last: at(next) - 1, name };
    let table = Table {
        id: seed.uuid("disk"),
        sectors,
        partitions: vec![
            partition(BIOS_BOOT_TYPE, "bios", BIOS_BOOT, ESP),
            partition(ESP_TYPE, "esp", ESP, ROOT),
            partition(ROOT_TYPE, "root", ROOT, end),
        ],
    };
    if !boot.efi.starts_with(b"MZ") {
        return Err(malformed("BOOTX64.EFI is no program of UEFI"));
    }
    let esp = esp::partition(at(ROOT - ESP) as u32, at(ESP) as u32, seed.volume_id("esp"), &boot.efi);
    let esp = esp.ok_or_else(|| malformed("BOOTX64.EFI is too large"))?;

    let mut head = vec![0; root_offset() as usize];
    let mut put = |byte: u64, bytes: &[u8]| head[byte as usize..byte as usize + bytes.len()].copy_from_slice(bytes);
    put(0, &boot.first_sector(at(BIOS_BOOT))?);
    put(446, &gpt::protection(sectors));
    put(510, &[0x55, 0xaa]);
    put(SECTOR, &table.primary());
    put(BIOS_BOOT * MIB, &boot.core(at(BIOS_BOOT), ((ESP - BIOS_BOOT) * MIB) as usize)?);
    put(ESP * MIB, &esp);
    let backup = table.backup();
    let mut tail = vec![0; MIB as usize - backup.len()];
    tail.extend(backup);
    Ok(Disk { head, tail })
}

fn malformed(reason: &str) -> Problem {
    Problem::Emit { format: "a disk image", reason: reason.to_owned() }
}
