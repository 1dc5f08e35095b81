//! How the static agent is built: the one place that knows the command.
//!
//! By hand, from the workspace's root:
//! ```text
//! RUSTFLAGS="-C target-feature=+crt-static" cargo build --package portcullis-agent \
//!     --release --target x86_64-unknown-linux-gnu --target-dir target/agent
//! cp target/agent/x86_64-unknown-linux-gnu/release/portcullis-agent target/portcullis-agent
//! ```
//! The target folder is its own, as other flags would rebuild everything else, and so that a build from
//! within a test does not wait for the one that started it. This module starts nothing: `xtask` and tests run it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A command and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// Arguments for `cargo`.
    pub args: Vec<OsString>,
    /// Environment to add.
    pub env: Vec<(OsString, OsString)>,
    /// Folder to run it in.
    pub cwd: PathBuf,
    /// Where the binary lies afterwards.
    pub built: PathBuf,
    /// Where to copy it (write beside it, then rename: it may be running).
    pub installed: PathBuf,
}

/// The recipe for a workspace and its target folder (`target`, or what `CARGO_TARGET_DIR` says).
pub fn recipe(workspace: &Path, target: &Path) -> Recipe {
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let own = target.join("agent");
    let args: [OsString; 9] = [
        "build".into(),
        "--quiet".into(),
        "--locked".into(),
        "--package=portcullis-agent".into(),
        "--release".into(),
        "--target".into(),
        triple.clone().into(),
        "--target-dir".into(),
        own.clone().into(),
    ];
    Recipe {
        args: args.into(),
        env: vec![("RUSTFLAGS".into(), "-C target-feature=+crt-static".into())],
        cwd: workspace.to_path_buf(),
        built: own.join(triple).join("release").join("portcullis-agent"),
        installed: target.join("portcullis-agent"),
    }
}
