//! One file out of a zip archive.
//!
//! Just enough of the format (PKWARE APPNOTE 4.3): stored and deflated entries, found by the central directory. No
//! path of the archive is ever used as a path.

use std::io::Read as _;

use flate2::read::DeflateDecoder;

const END_SIGNATURE: [u8; 4] = *b"PK\x05\x06";
const CENTRAL_SIGNATURE: [u8; 4] = *b"PK\x01\x02";
const LOCAL_SIGNATURE: [u8; 4] = *b"PK\x03\x04";

/// The contents of the entry `name`; more than `bytes_max` bytes is an error.
pub fn extract(zip: &[u8], name: &str, bytes_max: u64) -> Result<Vec<u8>, String> {
    let broken = || "the archive is not a zip archive, or is damaged".to_owned();
    let end = find_end(zip).ok_or_else(broken)?;
    let count = u16_at(zip, end + 10).ok_or_else(broken)?;
    let mut at = u32_at(zip, end + 16).ok_or_else(broken)?;
    for _ in 0..count {
        let entry = Central::at(zip, at).ok_or_else(broken)?;
        if entry.name == name.as_bytes() {
            return contents(zip, &entry, bytes_max).ok_or_else(broken)?;
        }
        at = entry.next;
    }
    Err(format!("the archive has no `{name}`"))
}

/// An entry of the central directory.
struct Central<'a> {
    method: u16,
    packed: usize,
    local: usize,
    name: &'a [u8],
    next: usize,
}

impl<'a> Central<'a> {
    fn at(zip: &'a [u8], at: usize) -> Option<Self> {
        if zip.get(at..at.checked_add(4)?)? != CENTRAL_SIGNATURE {
            return None;
        }
        let name_end = at.checked_add(46)?.checked_add(u16_at(zip, at + 28)?.into())?;
        Some(Central {
            method: u16_at(zip, at + 10)?,
            packed: u32_at(zip, at + 20)?,
            local: u32_at(zip, at + 42)?,
            name: zip.get(at + 46..name_end)?,
            next: name_end + usize::from(u16_at(zip, at + 30)?) + usize::from(u16_at(zip, at + 32)?),
        })
    }
}

/// The entry's bytes. `None`: the archive is damaged.
fn contents(zip: &[u8], entry: &Central<'_>, bytes_max: u64) -> Option<Result<Vec<u8>, String>> {
    let local = entry.local;
    if zip.get(local..local.checked_add(4)?)? != LOCAL_SIGNATURE {
        return None;
    }
    let start = local + 30 + usize::from(u16_at(zip, local + 26)?) + usize::from(u16_at(zip, local + 28)?);
    let packed = zip.get(start..start.checked_add(entry.packed)?)?;
    let mut bytes = Vec::new();
    match entry.method {
        0 => bytes.extend_from_slice(packed),
        8 => {
            DeflateDecoder::new(packed).take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).ok()?;
        }
        other => return Some(Err(format!("the archive uses compression method {other}, which is not known here"))),
    }
    let size = bytes.len() as u64;
    Some(if size > bytes_max { Err(format!("the file has more than {bytes_max} bytes")) } else { Ok(bytes) })
}

/// The end record: the last 22 bytes, before a comment of at most 65,535.
fn find_end(zip: &[u8]) -> Option<usize> {
    let last = zip.len().checked_sub(22)?;
    (last.saturating_sub(65_535)..=last).rev().find(|at| zip.get(*at..*at + 4) == Some(&END_SIGNATURE))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?)).ok()
}

#[cfg(test)]
pub mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    /// A zip archive of deflated entries.
    pub fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let (mut zip, mut central) = (Vec::new(), Vec::new());
        for (name, bytes) in entries {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(bytes).unwrap();
            let packed = encoder.finish().unwrap();
            let local = zip.len() as u32;
            // Version, flags, method, time, date, CRC (not checked: the whole archive has a digest).
            let common = [
                &[20, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
                &(packed.len() as u32).to_le_bytes(),
                &(bytes.len() as u32).to_le_bytes(),
                &(name.len() as u16).to_le_bytes(),
                &[0, 0],
            ]
            .concat();
            zip.extend([&LOCAL_SIGNATURE[..], &common, name.as_bytes(), &packed].concat());
            central.extend(
                [&CENTRAL_SIGNATURE[..], &[20, 3], &common, &[0; 10], &local.to_le_bytes(), name.as_bytes()].concat(),
            );
        }
        let (at, count) = (zip.len() as u32, (entries.len() as u16).to_le_bytes());
        let size = (central.len() as u32).to_le_bytes();
        zip.extend(central);
        zip.extend([&END_SIGNATURE[..], &[0; 4], &count, &count, &size, &at.to_le_bytes(), &[0, 0]].concat());
        zip
    }

    #[test]
    fn takes_one_file_out() {
        let zip = zip_of(&[("a", b"first"), ("tofu", &[7; 100_000]), ("z", b"")]);
        assert_eq!(extract(&zip, "tofu", 1 << 20).unwrap(), [7; 100_000]);
        assert_eq!(extract(&zip, "z", 0).unwrap(), b"");
        assert!(extract(&zip, "b", 10).unwrap_err().contains("no `b`"));
        assert!(extract(&zip, "tofu", 99_999).unwrap_err().contains("more than"));
    }

    #[test]
    fn no_damage_makes_it_panic() {
        let zip = zip_of(&[("a", b"first"), ("tofu", b"second")]);
        for cut in 0..zip.len() {
            let _ = extract(&zip[..cut], "tofu", 100);
        }
        for at in 0..zip.len() {
            for value in [0, 0x7f, 0xff] {
                let mut damaged = zip.clone();
                damaged[at] = value;
                let _ = extract(&damaged, "tofu", 100);
            }
        }
    }

    /// The real `zip` agrees, where it is installed.
    #[test]
    fn reads_what_other_programs_write() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tofu"), "program ".repeat(1000)).unwrap();
        #[allow(clippy::disallowed_methods, reason = "a test asks another implementation")]
        let made = std::process::Command::new("python3")
            .args(["-m", "zipfile", "-c", "x.zip", "tofu"])
            .current_dir(folder.path())
            .status();
        if !made.is_ok_and(|status| status.success()) {
            eprintln!("skipped: there is no python3 to make a zip archive");
            return;
        }
        let zip = std::fs::read(folder.path().join("x.zip")).unwrap();
        assert_eq!(extract(&zip, "tofu", 1 << 20).unwrap(), "program ".repeat(1000).as_bytes());
    }
}
