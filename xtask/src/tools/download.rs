//! Fetching a file with the machine's own `curl` or `wget`.
//!
//! Their trust store and proxy settings are the ones that work on this machine. What they fetch is checked
//! against a digest by the caller.

use std::path::Path;

use crate::process::{command, output};
use crate::workspace::Workspace;

/// Seconds for a whole download.
const TIMEOUT_S: &str = "600";

/// Fetches `url` into `file`; more than `bytes_max` bytes is an error.
pub fn to_file(workspace: &Workspace, url: &str, file: &Path, bytes_max: u64) -> Result<(), String> {
    let mut fetch = if let Some(curl) = workspace.on_path("curl") {
        let mut curl = command(workspace, curl);
        curl.args(["--fail", "--silent", "--show-error", "--location", "--proto", "=https,http", "--retry", "2"]);
        curl.args(["--noproxy", "127.0.0.1,localhost"]);
        curl.args(["--connect-timeout", "20", "--max-time", TIMEOUT_S, "--max-filesize", &bytes_max.to_string()]);
        curl.arg("--output").arg(file).arg("--url").arg(url);
        curl
    } else if let Some(wget) = workspace.on_path("wget") {
        let mut wget = command(workspace, wget);
        wget.args(["--quiet", "--tries=3", "--timeout=60", "--output-document"]).arg(file).arg("--").arg(url);
        wget
    } else {
        return Err(format!("{url} cannot be fetched: there is neither `curl` nor `wget`"));
    };
    output(&mut fetch).map_err(|error| format!("{url} cannot be fetched\n{error}"))?;
    // Not every server says the size before it sends.
    let size = file.metadata().map_err(|error| format!("{url} was not written: {error}"))?.len();
    if size > bytes_max {
        return Err(format!("{url} has {size} bytes, allowed are {bytes_max}"));
    }
    Ok(())
}
