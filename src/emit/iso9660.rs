//! A CD image with a few small files in its root directory, the same bytes for the same files.
//!
//! ECMA-119 (ISO 9660) with both of its extensions for names that are longer: Rock Ridge (IEEE P1281 and P1282), which Linux
//! and the BSDs read, and Joliet, which Windows reads. Every date is 1980-01-01, so no clock is asked.

use crate::diagnostic::Problem;

/// Bytes of a sector.
const SECTOR: usize = 2048;
/// Sectors before the first volume descriptor.
const SYSTEM_AREA: u32 = 16;
/// 1980-01-01 00:00:00 UTC in the seven bytes of a directory record (ECMA-119 9.1.5).
const DATE: [u8; 7] = [80, 1, 1, 0, 0, 0, 0];
/// The same in the seventeen bytes of a volume descriptor (8.4.26.1).
const LONG_DATE: &[u8; 17] = b"1980010100000000\0";
/// None given.
const NO_DATE: &[u8; 17] = b"0000000000000000\0";

/// Sectors of what comes before the files, in this order.
struct Places;

impl Places {
    const PRIMARY: u32 = SYSTEM_AREA;
    const JOLIET: u32 = SYSTEM_AREA + 1;
    const TERMINATOR: u32 = SYSTEM_AREA + 2;
    const PRIMARY_PATHS: [u32; 2] = [SYSTEM_AREA + 3, SYSTEM_AREA + 4];
    const JOLIET_PATHS: [u32; 2] = [SYSTEM_AREA + 5, SYSTEM_AREA + 6];
    const PRIMARY_ROOT: u32 = SYSTEM_AREA + 7;
    const CONTINUATION: u32 = SYSTEM_AREA + 8;
    const JOLIET_ROOT: u32 = SYSTEM_AREA + 9;
    const FILES: u32 = SYSTEM_AREA + 10;
}

/// A file of the root directory and where its bytes are.
struct Entry<'a> {
    name: &'a str,
    /// Its name for readers of neither extension: `USER_DAT.;1`.
    short: String,
    bytes: &'a [u8],
    sector: u32,
}

/// Writes a volume with this label, at most 16 capital letters, digits and `_`, and these files.
///
/// # Errors
/// More files than one sector of directory holds, or one of 4 GiB.
pub(super) fn volume(label: &str, files: &[(&str, &[u8])]) -> Result<Vec<u8>, Problem> {
    let wrong = |reason: &str| Problem::Emit { format: "seed", reason: reason.to_owned() };
    let mut entries = Vec::new();
    for (name, bytes) in files {
        let short: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
        let short = format!("{}.;1", &short[..short.len().min(8)]);
        entries.push(Entry { name, short, bytes, sector: 0 });
    }
    // Directories are sorted (9.3), and each of the two by its own names: these sort alike.
    entries.sort_by(|a, b| a.short.cmp(&b.short));
    let mut end = Places::FILES;
    for entry in &mut entries {
        entry.sector = end;
        let sectors = entry.bytes.len().div_ceil(SECTOR);
        end = u32::try_from(sectors)
            .ok()
            .and_then(|sectors| end.checked_add(sectors))
            .ok_or_else(|| wrong("too large"))?;
    }

    let mut image = vec![0; end as usize * SECTOR];
    let mut put = |sector: u32, bytes: &[u8]| {
        let start = sector as usize * SECTOR;
        image[start..start + bytes.len()].copy_from_slice(bytes);
    };
    let primary_root = root(&entries, Places::PRIMARY_ROOT, Tree::RockRidge);
    let joliet_root = root(&entries, Places::JOLIET_ROOT, Tree::Joliet);
    if primary_root.len() > SECTOR || joliet_root.len() > SECTOR {
        return Err(wrong("more files than a directory of one sector holds"));
    }
    put(Places::PRIMARY, &descriptor(label, end, Tree::RockRidge));
    put(Places::JOLIET, &descriptor(label, end, Tree::Joliet));
    put(Places::TERMINATOR, b"\xffCD001\x01");
    for (places, root) in [(Places::PRIMARY_PATHS, Places::PRIMARY_ROOT), (Places::JOLIET_PATHS, Places::JOLIET_ROOT)] {
        // A path table of the root alone (9.4), for readers of either byte order.
        put(places[0], &[&[1, 0][..], &root.to_le_bytes(), &[1, 0, 0, 0]].concat());
        put(places[1], &[&[1, 0][..], &root.to_be_bytes(), &[0, 1, 0, 0]].concat());
    }
    put(Places::PRIMARY_ROOT, &primary_root);
    put(Places::CONTINUATION, &extension());
    put(Places::JOLIET_ROOT, &joliet_root);
    for entry in &entries {
        put(entry.sector, entry.bytes);
    }
    Ok(image)
}

/// Bytes of the path table above.
const PATH_TABLE: u32 = 10;

/// Which of the two directories.
#[derive(Clone, Copy, PartialEq)]
enum Tree {
    RockRidge,
    Joliet,
}

/// A number in both byte orders (7.3.3).
fn both(number: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// The same with 16 bits (7.2.3).
fn both_short(number: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (number.to_le_bytes(), number.to_be_bytes());
    [a, b, c, d]
}

/// UCS-2, big-endian, as Joliet has its names.
fn ucs2(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// A volume descriptor (8.4, 8.5).
fn descriptor(label: &str, sectors: u32, tree: Tree) -> Vec<u8> {
    let (kind, paths, root, escape): (u8, _, _, &[u8]) = match tree {
        Tree::RockRidge => (1, Places::PRIMARY_PATHS, Places::PRIMARY_ROOT, b""),
        // UCS-2 level 3
        Tree::Joliet => (2, Places::JOLIET_PATHS, Places::JOLIET_ROOT, b"%/E"),
    };
    let text = |text: &str, length: usize| {
        let (mut bytes, blank): (Vec<u8>, &[u8]) = match tree {
            Tree::RockRidge => (text.as_bytes().to_vec(), b" "),
            Tree::Joliet => (ucs2(text), b"\0 "),
        };
        while bytes.len() < length {
            bytes.push(blank[bytes.len() % blank.len()]);
        }
        bytes.truncate(length);
        bytes
    };
    let mut out = vec![kind];
    out.extend(b"CD001\x01\0");
    out.extend(text("", 32));
    out.extend(text(label, 32));
    out.extend([0; 8]);
    out.extend(both(sectors));
    out.extend(escape);
    out.resize(120, 0);
    out.extend([both_short(1), both_short(1), both_short(SECTOR as u16)].concat());
    out.extend(both(PATH_TABLE));
    out.extend(paths[0].to_le_bytes());
    out.extend([0; 4]);
    out.extend(paths[1].to_be_bytes());
    out.extend([0; 4]);
    out.extend(record(&[0], root, SECTOR as u32, true, &[]));
    // Volume set, publisher, preparer, application; then the names of three files that there are not.
    for length in [128, 128, 128, 128, 37, 37, 37] {
        out.extend(text("", length));
    }
    for date in [LONG_DATE, LONG_DATE, NO_DATE, NO_DATE] {
        out.extend(date);
    }
    out.push(1);
    out.resize(SECTOR, 0);
    out
}

/// A directory record (9.1).
fn record(name: &[u8], sector: u32, length: u32, is_directory: bool, system_use: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 0];
    out.extend(both(sector));
    out.extend(both(length));
    out.extend(DATE);
    out.extend([if is_directory { 2 } else { 0 }, 0, 0]);
    out.extend(both_short(1));
    out.push(name.len() as u8);
    out.extend(name);
    // Both the system use field and the record have an even place and length.
    out.resize(out.len().next_multiple_of(2), 0);
    out.extend(system_use);
    out.resize(out.len().next_multiple_of(2), 0);
    out[0] = out.len() as u8;
    out
}

/// The root directory.
fn root(entries: &[Entry], sector: u32, tree: Tree) -> Vec<u8> {
    let is_rock_ridge = tree == Tree::RockRidge;
    let attributes = |mode: u32, links: u32| if is_rock_ridge { posix(mode, links) } else { Vec::new() };
    let mut own = Vec::new();
    if is_rock_ridge {
        own.extend(b"SP\x07\x01\xbe\xef\0");
        own.extend(attributes(0o40555, 2));
        own.extend(b"CE\x1c\x01");
        own.extend([both(Places::CONTINUATION), both(0), both(extension().len() as u32)].concat());
    }
    let mut out = record(&[0], sector, SECTOR as u32, true, &own);
    out.extend(record(&[1], sector, SECTOR as u32, true, &attributes(0o40555, 2)));
    for entry in entries {
        let mut system_use = attributes(0o100_400, 1);
        let name = match tree {
            Tree::RockRidge => {
                system_use.extend([b'N', b'M', 5 + entry.name.len() as u8, 1, 0]);
                system_use.extend(entry.name.as_bytes());
                entry.short.clone().into_bytes()
            }
            Tree::Joliet => ucs2(&format!("{};1", entry.name)),
        };
        out.extend(record(&name, entry.sector, entry.bytes.len() as u32, false, &system_use));
    }
    out.resize(out.len().max(SECTOR), 0);
    out
}

/// Rock Ridge's `PX`: mode and links of a file of root's.
fn posix(mode: u32, links: u32) -> Vec<u8> {
    let mut out = b"PX\x24\x01".to_vec();
    out.extend([both(mode), both(links), both(0), both(0)].concat());
    out
}

/// Rock Ridge's `ER`, which says that it is there.
fn extension() -> Vec<u8> {
    let id = "RRIP_1991A";
    let describes = "THE ROCK RIDGE INTERCHANGE PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS";
    let source = "PLEASE CONTACT DISC PUBLISHER FOR SPECIFICATION SOURCE.  SEE PUBLISHER IDENTIFIER IN PRIMARY VOLUME \
                  DESCRIPTOR FOR CONTACT INFORMATION.";
    let texts = [id, describes, source];
    let mut out = b"ER".to_vec();
    out.push((8 + texts.map(str::len).iter().sum::<usize>()) as u8);
    out.push(1);
    out.extend(texts.map(|text| text.len() as u8));
    out.push(1);
    out.extend(texts.concat().bytes());
    out
}
