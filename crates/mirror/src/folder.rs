//! The mirror's folder: made, configured and tidied without git.
//!
//! The layout and the configuration are written here and nowhere else, at every start, so that nothing that
//! was put into the folder stays in force.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use portcullis_model::{Code, Fault};

use crate::MirrorSettings;

/// Deepest folder of a repository that is looked into.
const DEPTH_MAX: usize = 64;

/// Makes what is missing, writes the configuration, and clears away what a killed git left.
pub(crate) fn prepare(settings: &MirrorSettings) -> Result<(), Fault> {
    let dir = &settings.dir;
    let failed = |error: io::Error| Fault::io(format!("make the mirror {}", dir.display()), &error);
    for folder in ["", "objects", "objects/info", "objects/pack", "refs", "refs/heads", "info"] {
        match DirBuilder::new().mode(0o700).create(dir.join(folder)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
    }
    let owner = fs::symlink_metadata(dir).map_err(failed)?;
    if !owner.is_dir() || owner.uid() != rustix::process::geteuid().as_raw() {
        return Err(Fault::new(Code::IO, format!("the mirror {} is not a folder of the runner's user", dir.display()))
            .remedy("Give the data folder to the user that runs `portcullis serve`."));
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(failed)?;
    // A mirror has these only if someone put them there. Grafts and a shallow file would change what is an
    // ancestor of what.
    let foreign = ["objects/info/alternates", "config.worktree", "info/grafts", "info/attributes", "shallow"];
    let removed = foreign.map(|name| fs::remove_file(dir.join(name)));
    for result in removed.into_iter().chain([fs::remove_dir_all(dir.join("hooks"))]) {
        match result {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    // HEAD names what is never fetched: there is no default branch to fall back to.
    write_private(&dir.join("HEAD"), "ref: refs/portcullis/none\n").map_err(failed)?;
    write_private(&dir.join("config"), &configuration(settings)?).map_err(failed)?;
    clear_leftovers(dir).map_err(failed)
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// The only configuration that git reads here.
fn configuration(settings: &MirrorSettings) -> Result<String, Fault> {
    let transport = settings.url.transport().protocol();
    let url = quoted(settings.url.as_str())?;
    let mut text = format!(
        r#"# Written by portcullis at every start.
[core]
	repositoryFormatVersion = 0
	bare = true
	hooksPath = /dev/null
	attributesFile = /dev/null
	excludesFile = /dev/null
	fsmonitor = false
	# Ancestry is read from the commits themselves.
	commitGraph = false
	logAllRefUpdates = false
	protectHFS = true
	protectNTFS = true
	askPass =
	sshCommand =
	gitProxy =
[protocol]
	version = 2
	allow = never
[protocol "{transport}"]
	allow = always
[transfer]
	fsckObjects = true
	credentialsInUrl = die
	advertiseSID = false
[fetch]
	fsckObjects = true
	recurseSubmodules = false
	# Always a pack: one file, which the size limit holds, instead of a thousand loose ones.
	unpackLimit = 1
	writeCommitGraph = false
[fetch "fsck"]
	# Found in old, honest histories; harmless to readers.
	zeroPaddedFilemode = ignore
	missingSpaceBeforeDate = ignore
	badTimezone = ignore
[submodule]
	recurse = false
[gc]
	auto = 0
	autoDetach = false
[maintenance]
	auto = false
[credential]
	helper =
[http]
	followRedirects = false
	sslVerify = true
	lowSpeedLimit = 1
	lowSpeedTime = 60
"#
    );
    if let Some(file) = &settings.ca_file {
        let file = file.to_str().ok_or_else(|| option("the file of certificate authorities has an odd name"))?;
        text.push_str(&format!("\tsslCAInfo = {}\n", quoted(file)?));
    }
    text.push_str(&format!("[remote \"origin\"]\n\turl = {url}\n"));
    Ok(text)
}

/// A value of a git configuration file.
fn quoted(value: &str) -> Result<String, Fault> {
    if value.chars().any(char::is_control) {
        return Err(option("a control character in the repository's URL or a file's name"));
    }
    Ok(format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")))
}

fn option(why: &str) -> Fault {
    Fault::new(Code::BAD_OPTION, why).remedy("Give a plain name.")
}

/// Removes locks and half-written objects. Only for when no git writes here: without this, a runner that was
/// killed during a fetch could never fetch again.
pub(crate) fn clear_leftovers(dir: &Path) -> io::Result<()> {
    for entry in read_dir(dir)? {
        let entry = entry?;
        if ends_with_lock(entry.file_name()) {
            fs::remove_file(entry.path())?;
        }
    }
    walk(&dir.join("refs"), DEPTH_MAX, &mut |file| {
        // A branch's name cannot end like this.
        if file.file_name().is_some_and(ends_with_lock) { fs::remove_file(file) } else { Ok(()) }
    })?;
    walk(&dir.join("objects"), 3, &mut |file| {
        let name = file.file_name().unwrap_or_default();
        let temporary = name.to_str().is_some_and(|name| name.starts_with("tmp_") || name.starts_with(".tmp-"));
        if temporary || ends_with_lock(name) { fs::remove_file(file) } else { Ok(()) }
    })
}

fn ends_with_lock(name: impl AsRef<std::ffi::OsStr>) -> bool {
    name.as_ref().as_encoded_bytes().ends_with(b".lock")
}

/// How many bytes of the disk and how many packs the mirror has. A small file takes a block: a ref, of a few bytes, as
/// much as the others.
pub(crate) fn measure(dir: &Path) -> io::Result<(u64, usize)> {
    let (mut bytes, mut packs) = (0, 0);
    walk(dir, DEPTH_MAX, &mut |file| {
        // Git may replace a file while this looks; then it is counted next time.
        bytes += fs::symlink_metadata(file).map_or(0, |meta| meta.len().max(meta.blocks() * 512));
        packs += usize::from(file.extension().is_some_and(|extension| extension == "pack"));
        Ok(())
    })?;
    Ok((bytes, packs))
}

/// The size of the largest file of objects, finished or not.
pub(crate) fn largest_object_file(dir: &Path) -> io::Result<u64> {
    let mut largest = 0;
    walk(&dir.join("objects"), DEPTH_MAX, &mut |file| {
        largest = largest.max(fs::symlink_metadata(file).map_or(0, |meta| meta.len()));
        Ok(())
    })?;
    Ok(largest)
}

/// Calls for every file below a folder. Symbolic links are files here.
fn walk(dir: &Path, depth: usize, each: &mut dyn FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    for entry in read_dir(dir)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            each(&entry.path())?;
        } else if depth > 0 {
            walk(&entry.path(), depth - 1, each)?;
        }
    }
    Ok(())
}

fn read_dir(dir: &Path) -> io::Result<Box<dyn Iterator<Item = io::Result<fs::DirEntry>>>> {
    match fs::read_dir(dir) {
        Ok(entries) => Ok(Box::new(entries)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Box::new(std::iter::empty())),
        Err(error) => Err(error),
    }
}
