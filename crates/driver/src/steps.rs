//! What the steps of every driver have in common: environment, places, and how the tool is started.

use std::collections::BTreeMap;

use portcullis_model::agent::{Role, Stdout, Step, When};

use crate::{DOOR_PORT, Limits, Tool, WORK};

/// The saved plan, in the layout and in the sandbox.
pub(crate) const PLAN_FILE: &str = "plan.tfplan";
/// Largest lock file, in bytes.
pub(crate) const LOCK_MAX_BYTES: u64 = 4 << 20;

/// The environment of every step.
pub(crate) fn base_env() -> BTreeMap<String, String> {
    let proxy = format!("http://127.0.0.1:{DOOR_PORT}");
    [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", "/work/home"),
        ("TMPDIR", "/work/tmp"),
        ("LANG", "C.UTF-8"),
        ("TF_IN_AUTOMATION", "1"),
        ("TF_INPUT", "0"),
        ("CHECKPOINT_DISABLE", "1"),
        // No configuration of the tool from anywhere.
        ("TF_CLI_CONFIG_FILE", "/dev/null"),
        ("HTTP_PROXY", &proxy),
        ("HTTPS_PROXY", &proxy),
        ("http_proxy", &proxy),
        ("https_proxy", &proxy),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_string(), value.to_string()))
    .collect()
}

/// A step that runs the tool with a command and its arguments.
pub(crate) fn tool_step(
    tool: &Tool,
    limits: Limits,
    cwd: &str,
    (name, arguments): (&str, &[impl AsRef<str>]),
    env: BTreeMap<String, String>,
    stdout: Stdout,
) -> Step {
    let argv = std::iter::once(tool.program.as_str()).chain(arguments.iter().map(AsRef::as_ref));
    Step::Run {
        name: name.into(),
        argv: argv.map(str::to_owned).collect(),
        cwd: cwd.into(),
        env,
        // `plan -detailed-exitcode` from extra arguments says 2 for changes.
        accept: if name == "plan" { vec![0, 2] } else { vec![0] },
        stdout,
        when: When::Success,
        timeout_s: limits.step_timeout_s,
        role: Role::Tool,
    }
}

/// A step that sends a file.
pub(crate) fn collect(name: &str, path: String, max_bytes: u64, optional: bool) -> Step {
    Step::Collect { name: name.into(), path, max_bytes, optional, when: When::Success }
}

/// An absolute path inside the sandbox below `/work`.
pub(crate) fn in_work(path: &str) -> String {
    format!("{WORK}/{path}")
}
