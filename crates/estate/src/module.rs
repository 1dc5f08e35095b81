//! What a unit's run is made of besides its configuration: the module's files, local modules that it refers
//! to, and the files of the unit's own folder. Names and digests only; nothing is parsed that is not needed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_hcl::File;
use portcullis_hcl::Value;
use portcullis_hcl::hcl_edit::expr::Expression;
use portcullis_model::source::is_remote;
use portcullis_model::{Code, Digest, DigestBuilder, Fault, Place, RemoteSource};

use crate::config::{CONFIG_FILE, JSON_CONFIG_FILE, is_config_file};
use crate::documentation;
use crate::json_code;
use crate::path;
use crate::reader::{Found, Reader};
use crate::resolved::ModuleFolder;
use crate::source::{DirEntry, EntryKind};
use crate::trace::Trace;

/// Folders that tools leave behind. Never copied, never looked at.
pub(crate) const LEFT_BEHIND: [&str; 4] = [".git", ".terraform", ".terragrunt-cache", ".terragrunt-stack"];
/// Hidden files that a run copies all the same.
const COPIED_HIDDEN: [&str; 2] = [".terraform.lock.hcl", ".tflint.hcl"];
/// What starts a reference out of a module's folder.
const UP: &str = "../";
const MODULE_FOLDER: &str = "${path.module}/";

/// Digests of files by their repository path.
pub(crate) type Files = BTreeMap<String, Digest>;

/// A module's source as it is written.
pub(crate) enum Source {
    /// A folder of this repository.
    Local(ModuleFolder),
    /// The unit's own folder.
    Own,
    /// Somewhere else: git, a registry, an archive.
    Remote(RemoteSource, Place),
    /// Not known without running something.
    Unknown(Fault),
    /// A folder of this repository that is not there, or what is no source at all.
    Missing(Fault),
}

/// Reads the `source` of a unit's `terraform` block: relative to the unit's folder wherever it is written.
pub(crate) fn source(reader: &Reader, unit_dir: &str, value: &Value) -> Result<Source, Fault> {
    let text = value.want_string("`source` of `terraform`")?;
    let place = value.origin().place();
    if is_remote(&text) {
        // A source that is not understood stops a run of this unit, and hides nothing else of it.
        return Ok(match RemoteSource::parse(&text) {
            Ok(source) => Source::Remote(source, place),
            Err(fault) => Source::Missing(fault.at(place)),
        });
    }
    let (root_text, sub_text) = match text.split_once("//") {
        Some((root, sub)) => (if root.is_empty() { "/" } else { root }, sub),
        None => (&*text, ""),
    };
    if root_text.is_empty() {
        return Ok(Source::Own);
    }
    let root = path::resolve(unit_dir, root_text).map_err(|fault| fault.at(place.clone()))?;
    let sub = path::resolve(".", sub_text.trim_matches('/')).map_err(|fault| fault.at(place.clone()))?;
    let sub = if sub == "." { String::new() } else { sub };
    if root == unit_dir && sub.is_empty() {
        return Ok(Source::Own);
    }
    // A driver copies files as they are; it must not have to follow a link to find them.
    let root = match reader.find(&root).map_err(|fault| fault.at(place.clone()))? {
        Some(found) => found.real,
        None => root,
    };
    let source = ModuleFolder { root, sub, place };
    if !reader.is_dir(&source.folder()).map_err(|fault| fault.at(source.place.clone()))? {
        let folder = source.folder();
        let message = format!("the module's folder {folder} does not exist");
        let fault = reader.note_submodule(Fault::new(Code::FILE_MISSING, message).at(source.place), &folder);
        return Ok(Source::Missing(fault.remedy("Correct the source; it is relative to the unit's folder.")));
    }
    Ok(Source::Local(source))
}

/// Digests of modules' folders, each found out once for all units.
#[derive(Default)]
pub(crate) struct Contents {
    folders: Memo<(String, bool), Files>,
    references: Memo<String, References>,
}

/// What was found out once, and what it rests on.
type Memo<K, V> = Mutex<HashMap<K, (Arc<V>, Arc<Trace>)>>;

/// Whether what was found out of a folder rests on that folder alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rests {
    OnTheFolder,
    /// A link was followed, which may lead out of the folder.
    OnMore,
}

/// Finds something out of a module's folder once, and notes for each that asks what it rests on: one identity
/// for the folder where the source has one, each answer where it has none.
fn once<K: Hash + Eq, V>(
    memo: &Memo<K, V>,
    key: K,
    reader: &Reader,
    folder: &str,
    make: impl FnOnce(&Reader) -> Result<(V, Rests), Fault>,
) -> Result<Arc<V>, Fault> {
    let known = memo.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
    if let Some((value, trace)) = known {
        reader.include(&trace);
        return Ok(value);
    }
    let inner = reader.fork();
    let made = make(&inner);
    let whole = reader.fork();
    let coarse = matches!(made, Ok((_, Rests::OnTheFolder))) && whole.tree(folder)?.is_some();
    let trace = Arc::new(if coarse { whole.into_trace() } else { inner.into_trace() });
    reader.include(&trace);
    let value = Arc::new(made?.0);
    memo.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (Arc::clone(&value), trace));
    Ok(value)
}

/// What the files of a module's folder refer to outside it.
#[derive(Debug, Default, PartialEq, Eq)]
struct References {
    /// Folders of local modules.
    modules: BTreeSet<String>,
    /// Files and folders that are named by `${path.module}/../…`.
    files: BTreeSet<String>,
    /// Whether something else leads upwards: then all that is copied counts.
    unclear: bool,
    /// Whether the code could read documentation that lies beside it: see [`documentation::could_be_read`].
    reads: bool,
}

/// Files that count by their content, and what cannot be told of the code that reads them.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) files: Files,
    /// Whether the code refers to files that cannot be told.
    pub(crate) unclear: bool,
    /// Whether the code could read documentation that lies beside it.
    pub(crate) reads: bool,
}

impl Contents {
    /// The files of a module that is copied from `source`, and of all local modules that it refers to.
    pub(crate) fn module(&self, reader: &Reader, source: &ModuleFolder, hidden: bool) -> Result<Gathered, Fault> {
        let mut gathered = Gathered::default();
        self.gather(reader, &source.folder(), hidden, &mut gathered)?;
        if gathered.unclear {
            let root = self.folder(reader, &source.root, hidden)?;
            gathered.files.extend(root.iter().map(|(name, digest)| (name.clone(), *digest)));
        }
        Ok(gathered)
    }

    /// The files of a unit's own folder that a run would copy. The configuration itself is not among them: its
    /// meaning counts, not its text. Nor are units below it.
    pub(crate) fn unit(&self, reader: &Reader, folder: &str, hidden: bool) -> Result<Gathered, Fault> {
        let own = [CONFIG_FILE, JSON_CONFIG_FILE].map(|name| path::child(folder, name));
        let entries = reader.list(folder)?.unwrap_or_default();
        let references = references(reader, folder, &entries)?.0;
        let mut gathered = Gathered { files: walk(reader, folder, entries, hidden, &own)?.0, ..Gathered::default() };
        // What is referred to is a module, or a file outside the folder.
        if references != References::default() {
            self.gather(reader, folder, hidden, &mut gathered)?;
            gathered.files.retain(|name, _| !own.contains(name));
        }
        Ok(gathered)
    }

    /// Files outside of a unit's own folder that its code refers to, when that folder is the module.
    pub(crate) fn beside(&self, reader: &Reader, folder: &str) -> Result<Vec<String>, Fault> {
        let mut gathered = Gathered::default();
        if leads_out(reader, folder)? {
            self.gather(reader, folder, false, &mut gathered)?;
        }
        Ok(gathered.files.into_keys().filter(|file| !path::is_within(file, folder)).collect())
    }

    /// All files below a folder, as far as they belong to no unit there.
    pub(crate) fn all_below(&self, reader: &Reader, folder: &str) -> Result<Files, Fault> {
        Ok(Files::clone(&*self.folder(reader, folder, true)?))
    }

    /// Whether a folder holds OpenTofu or Terraform code.
    pub(crate) fn has_code(reader: &Reader, folder: &str) -> Result<bool, Fault> {
        Ok(reader.list(folder)?.unwrap_or_default().iter().any(|entry| is_code(&entry.name)))
    }

    /// Gathers a folder and what it refers to.
    fn gather(&self, reader: &Reader, start: &str, hidden: bool, gathered: &mut Gathered) -> Result<(), Fault> {
        let Gathered { files, unclear, reads } = gathered;
        let mut left = vec![start.to_owned()];
        let mut seen = BTreeSet::new();
        while let Some(folder) = left.pop() {
            if !seen.insert(folder.clone()) {
                continue;
            }
            files.extend(self.folder(reader, &folder, hidden)?.iter().map(|(name, digest)| (name.clone(), *digest)));
            let references = self.references(reader, &folder)?;
            *unclear |= references.unclear;
            *reads |= references.reads;
            left.extend(references.modules.iter().cloned());
            for named in &references.files {
                match reader.find(named)? {
                    Some(Found { kind: EntryKind::Dir, .. }) => {
                        let inner = self.folder(reader, named, hidden)?;
                        files.extend(inner.iter().map(|(name, digest)| (name.clone(), *digest)));
                    }
                    Some(_) => files.extend(reader.digest(named)?.map(|digest| (named.clone(), digest))),
                    None => {}
                }
            }
        }
        Ok(())
    }

    /// The files of a folder and its folders, as a run copies them.
    fn folder(&self, reader: &Reader, folder: &str, hidden: bool) -> Result<Arc<Files>, Fault> {
        let key = (folder.to_owned(), hidden);
        once(&self.folders, key, reader, folder, |reader| {
            walk(reader, folder, reader.list(folder)?.unwrap_or_default(), hidden, &[])
        })
    }

    fn references(&self, reader: &Reader, folder: &str) -> Result<Arc<References>, Fault> {
        once(&self.references, folder.to_owned(), reader, folder, |reader| {
            references(reader, folder, &reader.list(folder)?.unwrap_or_default())
        })
    }
}

/// The files of a folder, which has these entries, and its folders, as a run copies them; those of `but` are not looked at.
fn walk(
    reader: &Reader,
    folder: &str,
    entries: Vec<DirEntry>,
    hidden: bool,
    but: &[String],
) -> Result<(Files, Rests), Fault> {
    let mut files = Files::new();
    let mut rests = Rests::OnTheFolder;
    let mut listed = Some(entries);
    let mut left = vec![folder.to_owned()];
    let mut seen = 0usize;
    while let Some(at) = left.pop() {
        let entries = match listed.take() {
            Some(entries) => entries,
            None => reader.list(&at)?.unwrap_or_default(),
        };
        if at != folder && entries.iter().any(|entry| is_config_file(&entry.name)) {
            continue;
        }
        seen += entries.len();
        if seen > reader.limits().entries {
            return Err(too_many(folder, reader.limits().entries));
        }
        for entry in entries {
            let skipped = LEFT_BEHIND.contains(&entry.name.as_str())
                || (!hidden && entry.name.starts_with('.') && !COPIED_HIDDEN.contains(&entry.name.as_str()));
            let name = path::child(&at, &entry.name);
            if skipped || but.contains(&name) {
                continue;
            }
            match entry.kind {
                EntryKind::Dir => left.push(name),
                EntryKind::Submodule => {}
                kind => {
                    if kind == EntryKind::Symlink {
                        rests = Rests::OnMore;
                    }
                    let digest = entry_digest(reader, &name)?;
                    files.insert(name, digest);
                }
            }
        }
    }
    Ok((files, rests))
}

/// What the code of a folder, which has these entries, refers to.
fn references(reader: &Reader, folder: &str, entries: &[DirEntry]) -> Result<(References, Rests), Fault> {
    let mut references = References::default();
    let mut rests = Rests::OnTheFolder;
    for entry in entries.iter().filter(|entry| is_code(&entry.name)) {
        let name = path::child(folder, &entry.name);
        if entry.kind == EntryKind::Symlink {
            rests = Rests::OnMore;
        }
        match reader.bytes(&name)? {
            Some(bytes) if !name.ends_with(".json") => scan(reader, folder, &name, &bytes, &mut references),
            Some(bytes) => scan_json(folder, &bytes, &mut references),
            None => (references.unclear, references.reads) = (true, true),
        }
    }
    Ok((references, rests))
}

/// Whether the code of a folder refers to something outside of it that can be told.
pub(crate) fn leads_out(reader: &Reader, folder: &str) -> Result<bool, Fault> {
    let entries = reader.list(folder)?.unwrap_or_default();
    let References { modules, files, .. } = references(reader, folder, &entries)?.0;
    Ok(modules.iter().chain(&files).any(|named| !path::is_within(named, folder)))
}

fn too_many(folder: &str, limit: usize) -> Fault {
    Fault::new(Code::REPOSITORY_TOO_LARGE, format!("{folder} has more than {limit} files"))
        .at(Place::file(folder))
        .remedy("Point the module's source at a smaller folder.")
}

pub(crate) fn is_code(name: &str) -> bool {
    [".tf", ".tofu", ".tf.json", ".tofu.json"].iter().any(|ending| name.ends_with(ending))
}

/// Over a file's content and whether it may be executed.
pub(crate) fn file_digest(bytes: &[u8], executable: bool) -> Digest {
    let mut digest = DigestBuilder::new("portcullis file v1");
    digest.number(u64::from(executable)).bytes(bytes);
    digest.finish()
}

fn entry_digest(reader: &Reader, name: &str) -> Result<Digest, Fault> {
    let at = |fault: Fault| fault.at(Place::file(name));
    if let Some(digest) = reader.digest(name).map_err(at)? {
        return Ok(digest);
    }
    Ok(match reader.find(name).map_err(at)? {
        // A link to a folder counts by where it leads; what is in there belongs to that folder.
        Some(Found { real, .. }) => Digest::of(real.as_bytes()),
        None => Digest::of(b"(a link to nothing)"),
    })
}

/// Finds what a file of a module refers to outside the module's folder.
fn scan(reader: &Reader, folder: &str, name: &str, bytes: &[u8], references: &mut References) {
    let Ok(file) = File::parse(name, bytes, &reader.limits().hcl) else {
        // The tool will say what is wrong with it.
        (references.unclear, references.reads) = (true, true);
        return;
    };
    for block in file.body().blocks().filter(|block| block.ident.as_str() == "module") {
        let Some(attribute) = block.body.get_attribute("source") else { continue };
        let Expression::String(source) = &attribute.value else {
            references.unclear = true;
            continue;
        };
        let source = source.value().as_str();
        if source.starts_with("./") || source.starts_with(UP) {
            match path::resolve(folder, &source.replace("//", "/")) {
                Ok(target) => references.modules.extend(Some(target)),
                Err(_) => references.unclear = true,
            }
        } else {
            // Its code is not looked at here.
            references.reads = true;
        }
    }
    references.reads |=
        documentation::could_be_read(file.text()) || file.body().blocks().any(documentation::reads_unasked);
    for line in file.text().lines() {
        if line.contains(UP) {
            scan_line(folder, line.trim_start(), references);
        }
        // Ways upwards that are put together.
        references.unclear |= ["\"..\"", "/..\"", "dirname("].iter().any(|way| line.contains(way));
    }
}

/// As [`scan`], of code in JSON: of what leads upwards only the sources of modules are followed.
fn scan_json(folder: &str, bytes: &[u8], references: &mut References) {
    references.reads = true;
    let Some((modules, up)) = std::str::from_utf8(bytes).ok().and_then(json_code::modules) else {
        references.unclear = true;
        return;
    };
    references.unclear |= up;
    for source in modules {
        match path::resolve(folder, &source.replace("//", "/")) {
            Ok(target) => references.modules.extend(Some(target)),
            Err(_) => references.unclear = true,
        }
    }
}

fn scan_line(folder: &str, line: &str, references: &mut References) {
    if line.starts_with('#') || line.starts_with("//") || line.starts_with("source") {
        return;
    }
    // Every other part between quotes that leads upwards must start at the module's folder to be followed.
    for text in line.split('"').filter(|text| text.contains(UP)) {
        let Some(named) = text.strip_prefix(MODULE_FOLDER) else {
            references.unclear = true;
            continue;
        };
        let named = match named.split_once("${") {
            Some((fixed, _)) => fixed.rsplit_once('/').map_or("", |(folder, _)| folder),
            None => named,
        };
        match path::resolve(folder, named) {
            Ok(target) if !path::is_within(folder, &target) => references.files.extend(Some(target)),
            _ => references.unclear = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Library;
    use crate::settings::Limits;
    use crate::source::DirSource;

    fn write(root: &std::path::Path, name: &str, text: &str) {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn a_module_counts_with_all_that_it_refers_to() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, "m/app/main.tf", "module \"n\" {\n  source = \"../net\"\n}\n# ../comment\n");
        write(root, "m/app/.hidden", "");
        write(root, "m/app/.terraform.lock.hcl", "");
        write(root, "m/app/files/x.json", "{}");
        write(root, "m/net/main.tf", "locals {\n  p = file(\"${path.module}/../policies/p.json\")\n}\n");
        write(root, "m/policies/p.json", "{}");
        write(root, "m/other/main.tf", "");
        let source = Arc::new(DirSource::open(root).unwrap());
        let reader = Reader::new(&Library::new(source, &Limits::default(), Arc::default()));
        let source = ModuleFolder { root: "m".into(), sub: "app".into(), place: Place::file("x") };
        let names = |contents: &Contents| {
            contents.module(&reader, &source, false).unwrap().files.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(
            names(&Contents::default()),
            ["m/app/.terraform.lock.hcl", "m/app/files/x.json", "m/app/main.tf", "m/net/main.tf", "m/policies/p.json"]
        );
        // A reference that cannot be followed makes all that is copied count.
        write(root, "m/net/odd.tf", "locals {\n  p = file(\"../x/${var.y}\")\n}\n");
        assert!(names(&Contents::default()).contains(&"m/other/main.tf".to_owned()));
    }
}
