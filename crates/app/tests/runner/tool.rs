//! A tool that a test can hold, let go and kill at the steps of a unit.
//!
//! It is a script in front of the real one. What a test asks for stands at its end, one line each; inside a sandbox
//! the script looks at itself, and as it is shown there by a bind mount, a line that changes outside changes inside.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use portcullis_testkit::programs;

/// Where a step of a unit stops.
#[derive(Debug, Clone, Copy)]
pub enum At {
    /// Before the tool plans.
    Plan,
    /// Before the tool applies: nothing has happened.
    Apply,
    /// While it applies, in a unit that looks for it (see [`INSIDE`]): the state is locked, and not written.
    Inside,
    /// After the tool has applied: the new state is written, and nobody was told.
    Applied,
}

impl At {
    fn name(self) -> &'static str {
        match self {
            At::Plan => "plan",
            At::Apply => "apply",
            At::Inside => "inside",
            At::Applied => "applied",
        }
    }
}

/// A command for a provisioner of a unit, which stops where a test holds [`At::Inside`].
pub const INSIDE: &str = "echo held inside; while grep -q '^#hold inside ' /tools/*; do sleep 0.02; done";

const SCRIPT: &str = include_str!("tool.sh");

/// The tool.
pub struct HeldTool {
    path: PathBuf,
}

impl HeldTool {
    /// Makes one in a folder. `None`, said aloud, where the real tool is not within `/usr`: a sandbox shows the
    /// script, and would not show what is behind it.
    pub fn create(folder: &Path) -> Option<Self> {
        let (name, real) = programs::find_tool().expect("OpenTofu or Terraform is on PATH");
        let real = real.canonicalize().unwrap();
        if !real.starts_with("/usr") {
            eprintln!("SKIPPED: {} is not within /usr, and a script in front of it cannot be used", real.display());
            return None;
        }
        let path = folder.join("tool").join(name);
        fs::create_dir(folder.join("tool")).unwrap();
        fs::write(&path, SCRIPT.replace("@TOOL@", real.to_str().unwrap())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Some(HeldTool { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// From now on, a unit stops there.
    pub fn hold(&self, at: At, unit: &str) {
        self.append(&format!("#hold {} {unit}\n", at.name()));
    }

    /// From now on, the tool is killed there.
    pub fn kill(&self, at: At, unit: &str) {
        self.append(&format!("#kill {} {unit}\n", at.name()));
    }

    /// From now on, the tool fails there, as over a network that does.
    pub fn fail(&self, at: At, unit: &str) {
        self.append(&format!("#fail {} {unit}\n", at.name()));
    }

    /// Takes back all that was asked for. What is held goes on.
    pub fn let_go(&self) {
        // In place: a shell may be reading the file, and a sandbox shows this very one, wherever it is now.
        let path = if self.path.exists() { self.path.clone() } else { self.hidden() };
        let file = File::options().write(true).open(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        for line in ["\n#hold ", "\n#kill ", "\n#fail "] {
            for (start, _) in text.match_indices(line) {
                file.write_all_at(b"\n#gone ", start as u64).unwrap();
            }
        }
    }

    /// Takes it away, as an operator does who upgrades in place.
    pub fn hide(&self) {
        fs::rename(&self.path, self.hidden()).unwrap();
    }

    /// Brings it back.
    pub fn put_back(&self) {
        fs::rename(self.hidden(), &self.path).unwrap();
    }

    fn hidden(&self) -> PathBuf {
        self.path.with_extension("hidden")
    }

    fn append(&self, line: &str) {
        let mut file = File::options().append(true).open(&self.path).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
}
