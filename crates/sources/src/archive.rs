//! Archives, unpacked into memory: never onto a disk, so no entry of one can name a place on it.
//!
//! An archive is a stranger's bytes. Its entries are counted, what they unpack to is bounded, and whatever is neither a
//! file, a folder nor a symbolic link is refused. Two entries of one path are refused as well: which of them counts
//! would depend on who reads. Links are kept as they are written; who lays files out follows them inside of the module
//! alone. Of a file's mode only the executable bit is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read};
use std::sync::Arc;

use portcullis_estate::{DirEntry, Entry, EntryKind, Source};
use portcullis_model::id::quoted;
use portcullis_model::source::ArchiveKind;
use portcullis_model::{Code, Fault};

/// The root folder's path.
const ROOT: &str = ".";
/// Longest path of an entry, in bytes.
const PATH_MAX_BYTES: usize = 1024;
/// Deepest nesting of folders.
const DEPTH_MAX: usize = 64;
/// What a zip's directory has before each of its entries.
const ZIP_ENTRY: &[u8] = b"PK\x01\x02";
/// What a zip ends with, and what stands 20 bytes before that where its numbers have 64 bits.
const ZIP_END: &[u8] = b"PK\x05\x06";
const ZIP64_LOCATOR: &[u8] = b"PK\x06\x07";
/// Memory that unpacking an `xz` may take: what its largest preset asks for, and as much again.
const XZ_MEMORY_KIB: u32 = 128 << 10;
/// Bytes of an archive's own for each entry, at most: headers, padding, long names.
const OVERHEAD_BYTES: u64 = 8 * 1024;
/// The kind of a file in its mode.
const KIND_MASK: u32 = 0o170_000;
const KIND_FILE: u32 = 0o100_000;
const KIND_FOLDER: u32 = 0o040_000;
const KIND_LINK: u32 = 0o120_000;

/// How much an archive may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Bytes of all files.
    pub bytes: u64,
    /// Files, folders and links.
    pub entries: usize,
}

/// The files of an archive.
#[derive(Debug, Default)]
pub(crate) struct Unpacked {
    entries: BTreeMap<String, Entry>,
    folders: BTreeMap<String, BTreeSet<DirEntry>>,
}

/// Unpacks an archive. Takes a while for a large one.
///
/// # Errors
/// `PC-0618`, with the entry.
pub(crate) fn unpack(bytes: &[u8], kind: ArchiveKind, bounds: Bounds) -> Result<Unpacked, Fault> {
    let mut made = Making { unpacked: Unpacked::default(), bounds, seen: 0, left: bounds.bytes };
    let all = bounds.bytes.saturating_add((bounds.entries as u64).saturating_mul(OVERHEAD_BYTES));
    made.folder(ROOT)?;
    match kind {
        ArchiveKind::Zip => made.zip(bytes)?,
        ArchiveKind::Tar => made.tar(bytes)?,
        ArchiveKind::TarGz => made.tar(Limited { inner: flate2::read::MultiGzDecoder::new(bytes), left: all })?,
        ArchiveKind::TarBz2 => made.tar(Limited { inner: bzip2::read::MultiBzDecoder::new(bytes), left: all })?,
        ArchiveKind::TarXz => {
            let decoder = lzma_rust2::XzReader::new_mem_limit(bytes, true, XZ_MEMORY_KIB);
            made.tar(Limited { inner: decoder, left: all })?;
        }
        ArchiveKind::TarZst => {
            let decoder = zstd::stream::read::Decoder::new(bytes).and_then(|mut decoder| {
                // The window is memory: 128 MiB at most.
                decoder.window_log_max(27)?;
                Ok(decoder)
            });
            let decoder = decoder.map_err(|error| broken(&error.to_string()))?;
            made.tar(Limited { inner: decoder, left: all })?;
        }
    }
    Ok(made.unpacked)
}

fn broken(why: &str) -> Fault {
    let why: String = why.chars().filter(|c| !c.is_control()).take(200).collect();
    Fault::new(Code::SOURCE_ARCHIVE, format!("the archive cannot be unpacked: {why}"))
        .remedy("Make it again with `git archive`, `tar` or `zip`; a module is files, folders and links within it.")
}

/// A stream that ends with an error where it has more than it may.
struct Limited<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, "it unpacks to too many bytes"))?;
        Ok(count)
    }
}

struct Making {
    unpacked: Unpacked,
    bounds: Bounds,
    seen: usize,
    left: u64,
}

impl Making {
    fn zip(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        // Its directory is read as a whole, before anything of it is seen.
        let mut listed = 0usize;
        let mut rest = bytes;
        while let Some(at) = rest.windows(ZIP_ENTRY.len()).position(|window| window == ZIP_ENTRY) {
            listed += 1;
            if listed > self.bounds.entries {
                return Err(self.too_many());
            }
            rest = rest.get(at + ZIP_ENTRY.len()..).unwrap_or_default();
        }
        // With numbers of 64 bits it could claim a directory that no memory holds. No module needs them.
        let ends = bytes.windows(ZIP_END.len()).enumerate().filter(|(_, window)| *window == ZIP_END);
        let located =
            |(at, _): (usize, &[u8])| at.checked_sub(20).and_then(|at| bytes.get(at..at + 4)) == Some(ZIP64_LOCATOR);
        if ends.into_iter().any(located) {
            return Err(broken("it is a zip64 archive"));
        }
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(&error.to_string()))?;
        // Of two entries of one name the library has one.
        if archive.len() != zip_entries(bytes, archive.central_directory_start()) {
            return Err(broken("a path is in it twice"));
        }
        for index in 0..archive.len() {
            let mut file = archive.by_index(index).map_err(|error| broken(&error.to_string()))?;
            let name = std::str::from_utf8(file.name_raw()).map_err(|_| broken("a name is not UTF-8"))?.to_owned();
            let mode = file.unix_mode().unwrap_or_default();
            let kind = if name.ends_with('/') { KIND_FOLDER } else { mode & KIND_MASK };
            let Some(path) = self.path(&name)? else { continue };
            match kind {
                KIND_FOLDER => self.folder(&path)?,
                KIND_LINK => {
                    let target = self.content(&mut file, PATH_MAX_BYTES as u64)?;
                    self.link(path, &target)?;
                }
                0 | KIND_FILE => {
                    let content = self.content(&mut file, u64::MAX)?;
                    self.file(path, content, mode & 0o111 != 0)?;
                }
                _ => return Err(broken(&format!("{} is no file, folder or link", quoted(&name)))),
            }
        }
        Ok(())
    }

    fn tar(&mut self, stream: impl Read) -> Result<(), Fault> {
        use tar::EntryType;
        let failed = |error: io::Error| broken(&error.to_string());
        let mut archive = tar::Archive::new(stream);
        for entry in archive.entries().map_err(failed)? {
            let mut entry = entry.map_err(failed)?;
            let kind = entry.header().entry_type();
            // What `git archive` notes the commit in.
            if matches!(kind, EntryType::XGlobalHeader) {
                self.count()?;
                continue;
            }
            let name = entry.path_bytes().into_owned();
            let name = String::from_utf8(name).map_err(|_| broken("a name is not UTF-8"))?;
            let Some(path) = self.path(&name)? else { continue };
            match kind {
                EntryType::Directory => self.folder(&path)?,
                EntryType::Symlink => {
                    let target = entry.link_name_bytes().map(|target| target.into_owned()).unwrap_or_default();
                    self.link(path, &target)?;
                }
                EntryType::Regular | EntryType::Continuous => {
                    let executable = entry.header().mode().is_ok_and(|mode| mode & 0o111 != 0);
                    let content = self.content(&mut entry, u64::MAX)?;
                    self.file(path, content, executable)?;
                }
                _ => return Err(broken(&format!("{} is no file, folder or symbolic link", quoted(&name)))),
            }
        }
        Ok(())
    }

    /// An entry's path, checked; `None` for the root itself.
    fn path(&mut self, name: &str) -> Result<Option<String>, Fault> {
        self.count()?;
        let bad = |why: &str| broken(&format!("the entry {} {why}", quoted(name)));
        if name.len() > PATH_MAX_BYTES {
            return Err(bad("has too long a path"));
        }
        if name.starts_with('/') || name.contains('\\') || name.chars().any(char::is_control) {
            return Err(bad("has an absolute path, a backslash or a control character"));
        }
        let name = name.strip_suffix('/').unwrap_or(name);
        let parts: Vec<&str> = name.split('/').filter(|part| *part != ".").collect();
        if parts.iter().any(|part| matches!(*part, "" | "..")) && !name.is_empty() {
            return Err(bad("leads out of the archive, or has an empty part"));
        }
        // `C:` begins a path of another system.
        if parts.first().is_some_and(|part| part.len() == 2 && part.ends_with(':')) {
            return Err(bad("begins with a drive"));
        }
        if parts.len() > DEPTH_MAX {
            return Err(bad("is nested too deeply"));
        }
        let path = parts.join("/");
        Ok((!path.is_empty()).then_some(path))
    }

    fn count(&mut self) -> Result<(), Fault> {
        self.seen += 1;
        if self.seen > self.bounds.entries { Err(self.too_many()) } else { Ok(()) }
    }

    fn too_many(&self) -> Fault {
        broken(&format!("it has more than {} entries", self.bounds.entries))
    }

    fn content(&mut self, stream: &mut impl Read, most: u64) -> Result<Vec<u8>, Fault> {
        let most = most.min(self.left);
        let mut bytes = Vec::new();
        stream.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| broken(&error.to_string()))?;
        let length = bytes.len() as u64;
        if length > most {
            return Err(broken(&format!("it unpacks to more than {} bytes", self.bounds.bytes)));
        }
        self.left -= length;
        Ok(bytes)
    }

    fn file(&mut self, path: String, bytes: Vec<u8>, executable: bool) -> Result<(), Fault> {
        self.put(path, Entry::File { bytes: Arc::from(bytes), executable })
    }

    fn link(&mut self, path: String, target: &[u8]) -> Result<(), Fault> {
        let target = std::str::from_utf8(target).ok().filter(|target| !target.is_empty() && !target.contains('\0'));
        let target = target.ok_or_else(|| broken(&format!("the link {} leads to no path", quoted(&path))))?;
        let target = target.to_owned();
        self.put(path, Entry::Symlink { target })
    }

    /// A folder, with those above it. One may be listed more than once.
    fn folder(&mut self, path: &str) -> Result<(), Fault> {
        if self.unpacked.entries.contains_key(path) {
            return Err(twice(path));
        }
        if self.unpacked.folders.contains_key(path) {
            return Ok(());
        }
        if path != ROOT {
            self.list(path, EntryKind::Dir)?;
        }
        self.unpacked.folders.insert(path.to_owned(), BTreeSet::new());
        Ok(())
    }

    fn put(&mut self, path: String, entry: Entry) -> Result<(), Fault> {
        if self.unpacked.entries.contains_key(&path) || self.unpacked.folders.contains_key(&path) {
            return Err(twice(&path));
        }
        self.list(&path, entry.kind())?;
        self.unpacked.entries.insert(path, entry);
        Ok(())
    }

    /// Lets the folder above list it.
    fn list(&mut self, path: &str, kind: EntryKind) -> Result<(), Fault> {
        let (parent, name) = path.rsplit_once('/').unwrap_or((ROOT, path));
        self.folder(parent)?;
        let listed = self.unpacked.folders.entry(parent.to_owned()).or_default();
        listed.insert(DirEntry { name: name.to_owned(), kind });
        Ok(())
    }
}

/// How many entries a zip's directory has: each has a fixed part with the lengths of what follows it (APPNOTE 4.3.12).
fn zip_entries(bytes: &[u8], directory: u64) -> usize {
    const FIXED: usize = 46;
    let mut at = usize::try_from(directory).unwrap_or(usize::MAX);
    let mut count = 0;
    while let Some(entry) = bytes.get(at..).filter(|rest| rest.starts_with(ZIP_ENTRY)) {
        let length = |low: usize| Some(usize::from(u16::from_le_bytes([*entry.get(low)?, *entry.get(low + 1)?])));
        let (Some(name), Some(extra), Some(comment)) = (length(28), length(30), length(32)) else { break };
        count += 1;
        at += FIXED + name + extra + comment;
    }
    count
}

fn twice(path: &str) -> Fault {
    broken(&format!("{} is in it twice", quoted(path)))
}

impl Source for Unpacked {
    fn read(&self, path: &str) -> Result<Option<Entry>, Fault> {
        Ok(match self.entries.get(path) {
            Some(entry) => Some(entry.clone()),
            None => self.folders.contains_key(path).then_some(Entry::Dir),
        })
    }

    fn list(&self, dir: &str) -> Result<Option<Vec<DirEntry>>, Fault> {
        Ok(self.folders.get(dir).map(|entries| entries.iter().cloned().collect()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const BOUNDS: Bounds = Bounds { bytes: 100_000, entries: 100 };

    /// An entry of a tar that nobody's program would make.
    struct Odd<'a> {
        name: &'a [u8],
        kind: tar::EntryType,
        link: &'a str,
        mode: u32,
        content: &'a [u8],
    }

    const FILE: Odd<'_> = Odd { name: b"a", kind: tar::EntryType::Regular, link: "", mode: 0o644, content: b"x" };

    fn tarred(entries: &[Odd<'_>]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for odd in entries {
            let mut header = tar::Header::new_gnu();
            // As raw bytes: the library would refuse to write most of these.
            header.as_old_mut().name[..odd.name.len()].copy_from_slice(odd.name);
            header.as_old_mut().linkname[..odd.link.len()].copy_from_slice(odd.link.as_bytes());
            header.set_entry_type(odd.kind);
            header.set_mode(odd.mode);
            header.set_size(odd.content.len() as u64);
            header.set_cksum();
            builder.append(&header, odd.content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn zipped(entries: &[(&str, u32, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, mode, content) in entries {
            let options = zip::write::SimpleFileOptions::default().unix_permissions(*mode);
            writer.start_file(*name, options).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn refused(bytes: &[u8], kind: ArchiveKind) -> String {
        let fault = unpack(bytes, kind, BOUNDS).expect_err("it is taken");
        assert_eq!(fault.code(), Code::SOURCE_ARCHIVE, "{fault}");
        fault.message().to_owned()
    }

    #[test]
    fn an_entry_that_leads_anywhere_is_refused() {
        for name in [
            &b"../a"[..],
            b"a/../../b",
            b"/etc/cron.d/x",
            b"a//b",
            b"a\\..\\b",
            b"C:/x",
            b"a\x1b[2J",
            b"..",
            b"\xff\xfe",
        ] {
            refused(&tarred(&[Odd { name, ..FILE }]), ArchiveKind::Tar);
        }
        for name in ["../a", "/etc/x", "a/../../b", "a\\..\\..\\b"] {
            refused(&zipped(&[(name, 0o644, b"x")]), ArchiveKind::Zip);
        }
    }

    #[test]
    fn only_files_folders_and_symbolic_links_are_taken() {
        use tar::EntryType;
        for kind in [EntryType::Link, EntryType::Char, EntryType::Block, EntryType::Fifo] {
            let message =
                refused(&tarred(&[Odd { kind, link: "/etc/passwd", content: b"", ..FILE }]), ArchiveKind::Tar);
            assert!(message.contains("no file, folder or symbolic link"), "{message}");
        }
        let link = Odd { kind: EntryType::Symlink, link: "../../etc/passwd", content: b"", ..FILE };
        let unpacked = unpack(&tarred(&[link]), ArchiveKind::Tar, BOUNDS).unwrap();
        // Kept as it is written, and followed by nobody here: whoever lays it out refuses what leads out.
        assert_eq!(unpacked.read("a").unwrap(), Some(Entry::Symlink { target: "../../etc/passwd".into() }));
    }

    #[test]
    fn of_a_mode_only_the_executable_bit_is_kept() {
        let odd = [Odd { mode: 0o6755, ..FILE }, Odd { name: b"b", mode: 0o1666, ..FILE }];
        let unpacked = unpack(&tarred(&odd), ArchiveKind::Tar, BOUNDS).unwrap();
        let executable = |path: &str| match unpacked.read(path).unwrap() {
            Some(Entry::File { executable, .. }) => executable,
            other => panic!("{other:?}"),
        };
        assert_eq!((executable("a"), executable("b")), (true, false));
    }

    fn bzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn xzipped(bytes: &[u8]) -> Vec<u8> {
        let options = lzma_rust2::XzOptions::with_preset(6);
        let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn bzip2_and_xz_are_unpacked_all_streams_of_them() {
        let tar = tarred(&[FILE]);
        let (one, two) = tar.split_at(600);
        for (whole, parts, kind) in [
            (bzipped(&tar), [bzipped(one), bzipped(two)].concat(), ArchiveKind::TarBz2),
            (xzipped(&tar), [xzipped(one), xzipped(two)].concat(), ArchiveKind::TarXz),
        ] {
            for bytes in [whole, parts] {
                let unpacked = unpack(&bytes, kind, BOUNDS).unwrap();
                assert!(
                    matches!(unpacked.read("a").unwrap(), Some(Entry::File { bytes, .. }) if *bytes == *FILE.content)
                );
                refused(bytes.get(..bytes.len() / 2).unwrap(), kind);
            }
        }
        // Three gibibytes of memory, by the header of its first block.
        let mut greedy = xzipped(&tar);
        greedy[12 + 4] = 39;
        let sum = crc32(&greedy[12..12 + 8]);
        greedy[12 + 8..12 + 12].copy_from_slice(&sum.to_le_bytes());
        refused(&greedy, ArchiveKind::TarXz);
    }

    fn crc32(bytes: &[u8]) -> u32 {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum()
    }

    #[test]
    fn one_path_is_one_thing() {
        let twice = [FILE, Odd { content: b"other", ..FILE }];
        assert!(refused(&tarred(&twice), ArchiveKind::Tar).contains("twice"));
        let below = [FILE, Odd { name: b"a/b", ..FILE }];
        refused(&tarred(&below), ArchiveKind::Tar);
        let above = [Odd { name: b"a/b", ..FILE }, FILE];
        refused(&tarred(&above), ArchiveKind::Tar);
        // Behind a link that an unpacker on a disk would follow.
        let link = Odd { name: b"l", kind: tar::EntryType::Symlink, link: "/etc", content: b"", ..FILE };
        refused(&tarred(&[link, Odd { name: b"l/passwd", ..FILE }]), ArchiveKind::Tar);
        let mut zip = zipped(&[("aa", 0o644, b"one"), ("ab", 0o644, b"two")]);
        while let Some(at) = zip.windows(2).position(|window| window == b"ab") {
            zip[at + 1] = b'a';
        }
        assert!(refused(&zip, ArchiveKind::Zip).contains("twice"));
        let cases = [Odd { name: b"README", ..FILE }, Odd { name: b"readme", ..FILE }];
        assert_eq!(unpack(&tarred(&cases), ArchiveKind::Tar, BOUNDS).unwrap().list(".").unwrap().unwrap().len(), 2);
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        let large = vec![0u8; 200_000];
        let gzip = |bytes: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        let tar = tarred(&[Odd { content: &large, ..FILE }]);
        refused(&gzip(&tar), ArchiveKind::TarGz);
        refused(&zstd::encode_all(&*tar, 3).unwrap(), ArchiveKind::TarZst);
        refused(&bzipped(&tar), ArchiveKind::TarBz2);
        refused(&xzipped(&tar), ArchiveKind::TarXz);
        refused(&bzipped(&vec![b'x'; 4 << 20]), ArchiveKind::TarBz2);
        refused(&xzipped(&vec![b'x'; 4 << 20]), ArchiveKind::TarXz);
        refused(&zipped(&[("a", 0o644, &large)]), ArchiveKind::Zip);
        // Long names are read before their entry is seen.
        let endless = gzip(&vec![b'x'; 4 << 20]);
        refused(&endless, ArchiveKind::TarGz);
        let names: Vec<String> = (0..200).map(|number| format!("f{number}")).collect();
        let many: Vec<Odd<'_>> = names.iter().map(|name| Odd { name: name.as_bytes(), content: b"", ..FILE }).collect();
        assert!(refused(&tarred(&many), ArchiveKind::Tar).contains("entries"));
        // A directory of numbers that no memory holds.
        let good = zipped(&[("a", 0o644, b"x")]);
        let end = good.windows(4).rposition(|window| window == ZIP_END).unwrap();
        let claimed = [&good[..end], ZIP64_LOCATOR, &[0xff; 16], &good[end..]].concat();
        assert!(refused(&claimed, ArchiveKind::Zip).contains("zip64"));
        let many: Vec<(&str, u32, &[u8])> = names.iter().map(|name| (name.as_str(), 0o644, &b""[..])).collect();
        assert!(refused(&zipped(&many), ArchiveKind::Zip).contains("entries"));
    }

    #[test]
    fn what_is_no_archive_is_said_to_be_none() {
        let kinds = [ArchiveKind::Zip, ArchiveKind::Tar, ArchiveKind::TarGz, ArchiveKind::TarZst];
        for kind in kinds.into_iter().chain([ArchiveKind::TarBz2, ArchiveKind::TarXz]) {
            refused(b"<html>not found</html>", kind);
            let good = zipped(&[("a", 0o644, b"x")]);
            refused(good.get(..good.len() / 2).unwrap(), kind);
        }
        assert_eq!(unpack(&tarred(&[]), ArchiveKind::Tar, BOUNDS).unwrap().list(".").unwrap(), Some(vec![]));
    }
}
