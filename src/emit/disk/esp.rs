//! The EFI system partition: a FAT32 with GRUB where UEFI looks on a disk that it has never seen (UEFI 2.10, 3.5.1.1).
//!
//! Microsoft's "FAT32 File System Specification", 1.03. One sector is a cluster; every date is 1980-01-01, so no clock is
//! asked. The crate for it, fatfs 0.3, makes folders that fsck.fat finds wrong.

use super::SECTOR;

/// Sectors before the first FAT, as the specification advises.
const RESERVED: usize = 32;
/// FATs, one of them a copy.
const FATS: usize = 2;
/// Where the information sector is, and the copies of both.
const INFORMATION: usize = 1;
const BACKUP: usize = 6;
/// Clusters of the three folders, the root's as usual; the program's begin after them.
const ROOT: u32 = 2;
const EFI: u32 = 3;
const BOOT: u32 = 4;
const PROGRAM: u32 = 5;
/// The last cluster of a chain.
const END: u32 = 0x0fff_ffff;
/// 1980-01-01.
const DATE: u16 = 0x0021;
/// What a directory entry is for.
const LABEL: u8 = 0x08;
const FOLDER: u8 = 0x10;
const FILE: u8 = 0x20;
/// The label, here and in the boot sector.
const NAME: &[u8; 11] = b"ESP        ";

/// A file system on so many sectors, after `hidden` others of the disk. `None`: the program does not fit.
pub(super) fn partition(sectors: u32, hidden: u32, id: u32, program: &[u8]) -> Option<Vec<u8>> {
    let sector = SECTOR as usize;
    // The specification's formula for one sector per cluster; a FAT may be some sectors longer than it has to be.
    let fat_sectors = (sectors as usize - RESERVED).div_ceil(sector / 4 + FATS / 2);
    let first = RESERVED + FATS * fat_sectors;
    let clusters = u32::try_from(sectors as usize - first).ok()?;
    let used = u32::try_from(program.len().div_ceil(sector)).ok()?;
    let free = clusters.checked_sub(PROGRAM - ROOT + used)?;

    let mut out = vec![0; sectors as usize * sector];
    let mut put = |at: usize, bytes: &[u8]| out[at * sector..at * sector + bytes.len()].copy_from_slice(bytes);
    for at in [0, BACKUP] {
        put(at, &boot_sector(sectors, hidden, fat_sectors as u32, id));
        put(at + INFORMATION, &information(free, PROGRAM + used));
    }
    let fat = fat(used);
    for index in 0..FATS {
        put(RESERVED + index * fat_sectors, &fat);
    }
    let cluster = |number: u32| first + (number - ROOT) as usize;
    put(cluster(ROOT), &[entry(NAME, LABEL, 0, 0), entry(b"EFI        ", FOLDER, EFI, 0)].concat());
    // The folder above one of the root's is said to be 0.
    for (own, above, inside) in [
        (EFI, 0, entry(b"BOOT       ", FOLDER, BOOT, 0)),
        (BOOT, EFI, entry(b"BOOTX64 EFI", FILE, PROGRAM, program.len() as u32)),
    ] {
        let links = [entry(b".          ", FOLDER, own, 0), entry(b"..         ", FOLDER, above, 0)];
        put(cluster(own), &[links.concat(), inside.to_vec()].concat());
    }
    put(cluster(PROGRAM), program);
    Some(out)
}

/// What the file system is like.
fn boot_sector(sectors: u32, hidden: u32, fat_sectors: u32, id: u32) -> Vec<u8> {
    let mut out = b"\xeb\x58\x90genhost ".to_vec();
    let short = |out: &mut Vec<u8>, numbers: &[u16]| out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    let long = |out: &mut Vec<u8>, numbers: &[u32]| out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    short(&mut out, &[SECTOR as u16]);
    out.push(1);
    short(&mut out, &[RESERVED as u16]);
    out.push(FATS as u8);
    short(&mut out, &[0, 0]);
    // A hard disk; 32 sectors on each of 64 tracks, as BIOSes count one that is small.
    out.push(0xf8);
    short(&mut out, &[0, 32, 64]);
    long(&mut out, &[hidden, sectors, fat_sectors]);
    short(&mut out, &[0, 0]);
    long(&mut out, &[ROOT]);
    short(&mut out, &[INFORMATION as u16, BACKUP as u16]);
    out.extend([0; 12]);
    out.extend([0x80, 0, 0x29]);
    long(&mut out, &[id]);
    out.extend(NAME);
    out.extend(b"FAT32   ");
    signed(out)
}

/// How many clusters are free, and where to look for one.
fn information(free: u32, next: u32) -> Vec<u8> {
    let mut out = b"RRaA".to_vec();
    out.resize(484, 0);
    out.extend(b"rrAa");
    out.extend([free, next].map(u32::to_le_bytes).concat());
    signed(out)
}

fn signed(mut sector: Vec<u8>) -> Vec<u8> {
    sector.resize(SECTOR as usize - 2, 0);
    sector.extend([0x55, 0xaa]);
    sector
}

/// Which cluster follows which, for a program of so many.
fn fat(used: u32) -> Vec<u8> {
    let program = (1..=used).map(|index| if index == used { END } else { PROGRAM + index });
    [0x0fff_fff8, END, END, END, END].into_iter().chain(program).flat_map(u32::to_le_bytes).collect()
}

/// A directory entry.
fn entry(name: &[u8; 11], kind: u8, cluster: u32, length: u32) -> [u8; 32] {
    let mut out = [0; 32];
    let (high, low) = ((cluster >> 16) as u16, cluster as u16);
    out[..11].copy_from_slice(name);
    out[11] = kind;
    for date in [16, 18, 24] {
        out[date..date + 2].copy_from_slice(&DATE.to_le_bytes());
    }
    out[20..22].copy_from_slice(&high.to_le_bytes());
    out[26..28].copy_from_slice(&low.to_le_bytes());
    out[28..].copy_from_slice(&length.to_le_bytes());
    out
}
