//! GRUB's parts, put where it would put them itself on a disk that it could open, and its configuration.
//!
//! Places of fields: GRUB 2.06, include/grub/i386/pc/boot.h, util/setup.c.

use super::identity::Seed;
use super::{SECTOR, malformed};
use crate::diagnostic::Problem;

/// What GRUB boots a disk with, as `grub-mkimage` makes it and the package has it.
#[derive(Debug)]
pub struct Boot {
    /// `boot.img` of i386-pc, the code of the first sector.
    pub boot_img: Vec<u8>,
    /// `core.img` of i386-pc, which that loads.
    pub core_img: Vec<u8>,
    /// The program that UEFI loads, `BOOTX64.EFI`.
    pub efi: Vec<u8>,
}

/// Modules that both programs have in them, so that they load none.
pub const MODULES: &str =
    "part_gpt ext2 search_fs_uuid normal linux serial terminal configfile echo ls test reboot halt minicmd";
/// And those of each platform.
pub const PLATFORMS: [(&str, &str); 2] = [("i386-pc", "biosdisk"), ("x86_64-efi", "fat efi_gop")];

/// Bytes of code in the first sector; the disk's signature and the partition entries follow.
const CODE: usize = 440;
/// Where boot.img says at which sector core.img is.
const KERNEL_SECTOR: usize = 0x5c;
/// Where boot.img has a jump over its check of the drive's number, which BIOSes are known to get wrong.
const DRIVE_CHECK: usize = 0x66;
/// Where the first sector of core.img says where the others are, how many, and the segment that they go to.
const BLOCK_LIST: usize = 500;
/// That segment.
const SEGMENT: [u8; 2] = 0x0820_u16.to_le_bytes();

impl Boot {
    /// The code of the first sector, for a core.img at `core`.
    pub(super) fn first_sector(&self, core: u64) -> Result<[u8; CODE], Problem> {
        let is_boot = self.boot_img.len() == SECTOR as usize && self.boot_img.ends_with(&[0x55, 0xaa]);
        let code = self.boot_img.first_chunk::<CODE>().filter(|_| is_boot);
        let mut code = *code.ok_or_else(|| malformed("boot.img is no boot sector"))?;
        code[KERNEL_SECTOR..KERNEL_SECTOR + 8].copy_from_slice(&core.to_le_bytes());
        // Two `nop`, as grub-install does for a hard disk.
        code[DRIVE_CHECK..DRIVE_CHECK + 2].copy_from_slice(&[0x90, 0x90]);
        Ok(code)
    }

    /// core.img as it is to be at the sector `core`, of which it may take `room` bytes.
    pub(super) fn core(&self, core: u64, room: usize) -> Result<Vec<u8>, Problem> {
        let sectors = self.core_img.len().div_ceil(SECTOR as usize);
        let list = self.core_img.get(BLOCK_LIST..BLOCK_LIST + 12);
        let is_core = list.is_some_and(|list| {
            usize::from(u16::from_le_bytes([list[8], list[9]])) + 1 == sectors && list[10..] == SEGMENT
        });
        if !is_core {
            return Err(malformed("core.img is not GRUB's for i386-pc"));
        }
        if self.core_img.len() > room {
            return Err(malformed("core.img is too large"));
        }
        let mut image = self.core_img.clone();
        image[BLOCK_LIST..BLOCK_LIST + 8].copy_from_slice(&(core + 1).to_le_bytes());
        Ok(image)
    }
}

/// What both programs have in them: how to find the root file system.
pub fn early_configuration(seed: &Seed) -> String {
    format!("search.fs_uuid {} root\nset prefix=($root)/boot/grub\n", seed.root_file_system())
}

/// `/boot/grub/grub.cfg`. It stays as it is when kernels are upgraded: Debian keeps links to the newest and to the one before.
pub fn configuration(seed: &Seed, title: &str) -> String {
    let root = seed.root_file_system();
    let entry = |title: &str, suffix: &str| {
        format!(
            "menuentry \"{title}\" {{\n  linux /vmlinuz{suffix} root=UUID={root} ro console=tty0 console=ttyS0,115200\n  \
             initrd /initrd.img{suffix}\n}}\n"
        )
    };
    format!(
        "set timeout=1\nset fallback=1\nif serial --unit=0 --speed=115200; then\n  terminal_input console serial\n  \
         terminal_output console serial\nfi\n{}{}",
        entry(title, ""),
        entry(&format!("{title}, the kernel before"), ".old")
    )
}

/// `/etc/fstab`.
pub fn file_systems(seed: &Seed) -> String {
    format!("UUID={} / ext4 errors=remount-ro 0 1\n", seed.root_file_system())
}
