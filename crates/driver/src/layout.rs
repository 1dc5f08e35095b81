//! [`Layout`]: the files of a sandbox's private folder, before any of them is written.
//!
//! Built in memory from the repository's objects, so that nothing half-made is ever on disk and no link of a
//! repository is followed by the operating system. Links inside the repository are resolved here, with a bound.

use std::collections::BTreeMap;
use std::sync::Arc;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use portcullis_estate::{Entry, EntryKind, Source};
use portcullis_model::{Code, DigestBuilder, Fault};

/// Most files in a layout.
pub const FILES_MAX: usize = 20_000;
/// Most bytes in a layout.
pub const BYTES_MAX: usize = 256 << 20;
/// Most entries that are looked at for a layout, whether or not they are copied: a few objects of git can be a tree of
/// any number of folders.
const ENTRIES_MAX: usize = 100_000;
/// Longest target of a symbolic link, in bytes (`PATH_MAX`).
const TARGET_MAX_BYTES: usize = 4096;
/// Longest chain of symbolic links that is followed.
const LINKS_MAX: usize = 16;
/// Deepest nesting of folders.
const DEPTH_MAX: usize = 64;
/// The dependency lock file: copied although its name starts with a dot.
pub const LOCK_FILE: &str = ".terraform.lock.hcl";

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutFile {
    /// Its content.
    pub bytes: Arc<[u8]>,
    /// Whether it may be executed.
    pub executable: bool,
}

/// Files by path relative to `/work`, `/` between parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    files: BTreeMap<String, LayoutFile>,
    bytes: usize,
    looked_at: usize,
}

/// Folders that tools leave behind: not code, and what is in them would be taken for what a tool made here.
const LEFT_BEHIND: [&str; 4] = [".git", ".terraform", ".terragrunt-cache", ".terragrunt-stack"];

/// Which files of a folder are copied.
pub struct CopyRule {
    include: GlobSet,
    exclude: GlobSet,
    /// Everything, but for what tools leave behind.
    whole: bool,
}

impl CopyRule {
    /// The rule of `include_in_copy` and `exclude_from_copy`.
    ///
    /// # Errors
    /// `PC-0613` for a pattern that is no glob.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, Fault> {
        // Terragrunt always takes this one along, though it is hidden.
        let mut include = include.to_vec();
        include.push(".tflint.hcl".into());
        Ok(CopyRule { include: globs(&include)?, exclude: globs(exclude)?, whole: false })
    }

    /// The rule of what was fetched: all of it is there, hidden files as well, as Terragrunt has it.
    pub fn whole() -> Self {
        CopyRule { include: GlobSet::empty(), exclude: GlobSet::empty(), whole: true }
    }

    /// Whether `path`, relative to the folder that is copied, comes along: what is excluded never does; hidden
    /// files and what is in hidden folders do only if included; lock files do always.
    fn takes(&self, path: &str) -> bool {
        if self.whole {
            return true;
        }
        let matched = |set: &GlobSet| ancestors(path).any(|part| set.is_match(part));
        if matched(&self.exclude) {
            return false;
        }
        let hidden = path.split('/').any(|part| part.starts_with('.'));
        !hidden || path.rsplit('/').next() == Some(LOCK_FILE) || matched(&self.include)
    }

    /// Whether a folder has to be entered: a hidden one only for the sake of included files.
    fn enters(&self, path: &str) -> bool {
        if self.whole {
            return path.rsplit('/').next().is_none_or(|name| !LEFT_BEHIND.contains(&name));
        }
        let hidden = path.split('/').any(|part| part.starts_with('.'));
        path.rsplit('/').next() != Some(".git") && (!hidden || !self.include.is_empty())
    }
}

/// `a/b/c`, `a/b`, `a`: a pattern that matches a folder takes all that is in it.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rsplit_once('/').map(|(head, _)| head))
}

fn globs(patterns: &[String]) -> Result<GlobSet, Fault> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        // `*` stays within one folder.
        let pattern_here = pattern.trim_start_matches("./").trim_end_matches('/');
        let glob = GlobBuilder::new(pattern_here).literal_separator(true).build().map_err(|error| {
            Fault::new(Code::LAYOUT, format!("the copy pattern {pattern:?} is no glob: {error}"))
                .remedy("Use `*`, `**`, `?`, `[…]` and `{…}` in `include_in_copy` and `exclude_from_copy`.")
        })?;
        set.add(glob);
    }
    set.build()
        .map_err(|error| Fault::new(Code::LAYOUT, format!("the copy patterns are too many or too long: {error}")))
}

impl Layout {
    /// The files, by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &LayoutFile)> {
        self.files.iter().map(|(path, file)| (path.as_str(), file))
    }

    /// The file at a path.
    pub fn get(&self, path: &str) -> Option<&LayoutFile> {
        self.files.get(path)
    }

    /// Takes a file out.
    pub fn remove(&mut self, path: &str) {
        if let Some(file) = self.files.remove(path) {
            self.bytes = self.bytes.saturating_sub(file.bytes.len());
        }
    }

    /// Puts a file in, in place of one that is there.
    ///
    /// # Errors
    /// `PC-0613` when the layout grows over its limits.
    pub fn put(&mut self, path: impl Into<String>, bytes: impl Into<Arc<[u8]>>, executable: bool) -> Result<(), Fault> {
        let (path, bytes) = (path.into(), bytes.into());
        self.remove(&path);
        self.bytes += bytes.len();
        self.files.insert(path, LayoutFile { bytes, executable });
        if self.files.len() > FILES_MAX || self.bytes > BYTES_MAX {
            return Err(Fault::new(
                Code::LAYOUT,
                format!("the working directory would have more than {FILES_MAX} files or {} MiB", BYTES_MAX >> 20),
            )
            .remedy("Keep large files out of module sources and unit folders, or list them in `exclude_from_copy`."));
        }
        Ok(())
    }

    /// Copies the folder `from` of the repository to `to`.
    ///
    /// # Errors
    /// `PC-0613` when it is no folder, too large, or a link in it leads out of the repository.
    pub fn copy_folder(&mut self, source: &dyn Source, from: &str, to: &str, rule: &CopyRule) -> Result<(), Fault> {
        self.copy_level(source, from, to, "", rule, 0)
    }

    /// Copies one file of the repository. One that is not there is left to the tool, which says who wants it.
    ///
    /// # Errors
    /// `PC-0613` when it is too large, or a link leads out of the repository.
    pub fn copy_file(&mut self, source: &dyn Source, from: &str, to: &str) -> Result<(), Fault> {
        match follow(source, from)? {
            Some((_, Entry::File { bytes, executable })) => self.put(to, bytes, executable),
            _ => Ok(()),
        }
    }

    fn copy_level(
        &mut self,
        source: &dyn Source,
        from: &str,
        to: &str,
        relative: &str,
        rule: &CopyRule,
        depth: usize,
    ) -> Result<(), Fault> {
        if depth > DEPTH_MAX {
            return Err(Fault::new(Code::LAYOUT, format!("{from:?} is nested more than {DEPTH_MAX} folders deep"))
                .remedy("Look for a symbolic link that leads back to a folder above it."));
        }
        let entries = source.list(from)?.ok_or_else(|| {
            Fault::new(Code::LAYOUT, format!("the folder {from:?} does not exist in the repository"))
                .remedy("Correct `terraform.source`, or commit the folder.")
        })?;
        self.looked_at = self.looked_at.saturating_add(entries.len());
        if self.looked_at > ENTRIES_MAX {
            return Err(Fault::new(
                Code::LAYOUT,
                format!("the folders to copy have more than {ENTRIES_MAX} entries, counted at {from:?}"),
            )
            .remedy("Keep generated folders out of module sources and unit folders."));
        }
        for entry in entries {
            let path = join(from, &entry.name);
            let inside = join(relative, &entry.name);
            // What would not be copied is not read either.
            if matches!(entry.kind, EntryKind::File { .. }) && !rule.takes(&inside) {
                continue;
            }
            match follow(source, &path)? {
                Some((_, Entry::File { bytes, executable })) if rule.takes(&inside) => {
                    self.put(join(to, &entry.name), bytes, executable)?;
                }
                Some((target, Entry::Dir)) if rule.enters(&inside) => {
                    self.copy_level(source, &target, &join(to, &entry.name), &inside, rule, depth + 1)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds all files to a digest.
    pub fn digest_into(&self, digest: &mut DigestBuilder) {
        digest.number(self.files.len() as u64);
        for (path, file) in &self.files {
            digest.text(path).number(u64::from(file.executable)).bytes(&file.bytes);
        }
    }
}

/// `a` and `b` as one path; an empty or `.` part adds nothing.
pub fn join(a: &str, b: &str) -> String {
    match (a, b) {
        ("" | ".", b) => b.to_string(),
        (a, "" | ".") => a.to_string(),
        (a, b) => format!("{a}/{b}"),
    }
}

/// Resolves `path` against `base` without leaving the repository: `None` if it would.
pub fn normalize(base: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// What is at a path, links followed inside the repository, and the path where it is.
fn follow(source: &dyn Source, path: &str) -> Result<Option<(String, Entry)>, Fault> {
    let mut path = path.to_string();
    for _ in 0..LINKS_MAX {
        match source.read(&path)? {
            Some(Entry::Symlink { target }) => {
                let folder = path.rsplit_once('/').map_or("", |(head, _)| head);
                let leads_out = || {
                    Fault::new(
                        Code::LAYOUT,
                        format!("the symbolic link {path:?} leads out of the repository, to {target:?}"),
                    )
                    .remedy("Replace it by a file, or let it point inside the repository.")
                };
                if target.starts_with('/') || target.len() > TARGET_MAX_BYTES {
                    return Err(leads_out());
                }
                path = normalize(folder, &target).ok_or_else(leads_out)?;
            }
            Some(entry) => return Ok(Some((path, entry))),
            None => return Ok(None),
        }
    }
    Err(Fault::new(
        Code::LAYOUT,
        format!("more than {LINKS_MAX} symbolic links lead on from one to the next, at {path:?}"),
    )
    .remedy("Remove the cycle of links."))
}

#[cfg(test)]
mod tests {
    use portcullis_estate::DirEntry;

    use super::*;

    #[test]
    fn hidden_files_stay_out_and_lock_files_come_along() {
        let rule = CopyRule::new(&[".env/**".into()], &["docs".into(), "*.md".into()]).unwrap();
        for (path, taken) in [
            ("main.tf", true),
            (".hidden", false),
            (".terraform/x", false),
            (".terraform.lock.hcl", true),
            ("sub/.terraform.lock.hcl", true),
            (".env/a", true),
            (".tflint.hcl", true),
            ("docs/a.tf", false),
            ("readme.md", false),
            ("sub/readme.md", true),
        ] {
            assert_eq!(rule.takes(path), taken, "{path}");
        }
    }

    #[test]
    fn what_was_fetched_is_copied_whole_but_for_what_tools_leave_behind() {
        let rule = CopyRule::whole();
        assert!(rule.takes(".hidden") && rule.takes(".github/x") && rule.enters(".github"));
        for folder in [".git", "sub/.terraform", ".terragrunt-cache"] {
            assert!(!rule.enters(folder), "{folder}");
        }
    }

    /// Two folders in each folder, down to some depth, and no file: a few objects in git.
    struct Doubling(usize);

    impl Source for Doubling {
        fn read(&self, path: &str) -> Result<Option<Entry>, Fault> {
            Ok((path.split('/').count() <= self.0).then_some(Entry::Dir))
        }

        fn list(&self, dir: &str) -> Result<Option<Vec<DirEntry>>, Fault> {
            let inside = if dir == "." { 0 } else { dir.split('/').count() };
            let names = if inside < self.0 { &["a", "b"][..] } else { &[] };
            let entry = |name: &&str| DirEntry { name: (*name).to_owned(), kind: EntryKind::Dir };
            Ok(Some(names.iter().map(entry).collect()))
        }
    }

    #[test]
    fn folders_without_files_have_a_limit_as_well() {
        let copied = |depth| Layout::default().copy_folder(&Doubling(depth), ".", "x", &CopyRule::whole());
        assert_eq!(copied(10), Ok(()));
        assert_eq!(copied(24).map_err(|fault| fault.code()), Err(Code::LAYOUT));
    }

    #[test]
    fn a_pattern_that_is_none_is_refused() {
        assert_eq!(CopyRule::new(&["a[".into()], &[]).err().map(|fault| fault.code()), Some(Code::LAYOUT));
    }

    #[test]
    fn a_path_does_not_leave_the_repository() {
        assert_eq!(normalize("a/b", "../c").as_deref(), Some("a/c"));
        assert_eq!(normalize("a", "../.."), None);
        assert_eq!(normalize("", "./x//y").as_deref(), Some("x/y"));
    }
}
