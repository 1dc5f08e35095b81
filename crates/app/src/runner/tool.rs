//! Which OpenTofu or Terraform this runner uses: the one that it was told, or one on its search path, checked
//! against what the fleet definition pins.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use portcullis_fleet::ToolPin;
use portcullis_model::{Code, Digest, Fault};

/// Longest that `version` may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where a program outside of `/usr` appears in a sandbox.
const INSIDE: &str = "/tools";

/// A program that plans and applies, found and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// For the driver and the estate.
    pub driver: portcullis_driver::Tool,
    /// Where it is on this host, if it must be shown inside (`/usr` is there anyway).
    pub bind: Option<PathBuf>,
}

/// How tools are looked for.
#[derive(Debug, Clone)]
pub struct Tools {
    named: Option<PathBuf>,
    search: Option<String>,
}

impl Tools {
    /// From the options of `serve`.
    pub fn new(named: Option<PathBuf>, search: Option<String>) -> Self {
        Tools { named, search }
    }

    /// Finds the tool that the definition wants.
    ///
    /// # Errors
    /// `PC-0602` when it is not there or has another version, `PC-0610` when its digest is another.
    pub async fn find(&self, pin: Option<&ToolPin>) -> Result<Tool, Fault> {
        let names: &[&str] = match pin {
            Some(pin) => &[pin.program.as_str()],
            None => &["tofu", "terraform"],
        };
        let path = self.path(names).ok_or_else(|| {
            Fault::new(Code::TOOL_MISSING, format!("{} was not found", names.join(" or ")))
                .remedy("Install it on the runner's PATH, or name it with `--tool`.")
        })?;
        let path = std::fs::canonicalize(&path).map_err(|error| Fault::io(path.display(), &error))?;
        let (name, version) = version(&path).await?;
        if let Some(pin) = pin {
            if name != pin.program.as_str() || version != pin.version {
                let message = format!(
                    "{} is {name} {version}, the fleet wants {} {}",
                    path.display(),
                    pin.program.as_str(),
                    pin.version
                );
                return Err(Fault::new(Code::TOOL_MISSING, message)
                    .remedy("Install that version, or change the pin in `portcullis.hcl`."));
            }
            if let Some(wanted) = pin.sha256 {
                let bytes = tokio::fs::read(&path).await.map_err(|error| Fault::io(path.display(), &error))?;
                let found = Digest::of(&bytes);
                if found != wanted {
                    let message = format!("{} has the digest {found}, the fleet wants {wanted}", path.display());
                    return Err(Fault::new(Code::TOOL_DIGEST, message).remedy("Install the official release again."));
                }
            }
        }
        let in_system = path.starts_with("/usr");
        let program = if in_system { path.display().to_string() } else { format!("{INSIDE}/{name}") };
        let driver = portcullis_driver::Tool { name, version, program };
        Ok(Tool { driver, bind: (!in_system).then_some(path) })
    }

    fn path(&self, names: &[&str]) -> Option<PathBuf> {
        if let Some(named) = &self.named {
            return Some(named.clone()).filter(|path| path.is_file());
        }
        let search = self.search.as_deref().unwrap_or("/usr/local/bin:/usr/bin:/bin");
        names.iter().find_map(|name| {
            search
                .split(':')
                .filter(|folder| folder.starts_with('/'))
                .map(|folder| Path::new(folder).join(name))
                .find(|path| path.is_file())
        })
    }
}

/// Name and version, as `version -json` says them. The program is the operator's, not the repository's.
async fn version(path: &Path) -> Result<(String, String), Fault> {
    #[allow(
        clippy::disallowed_methods,
        reason = "asks the operator's own program for its version, outside of any task"
    )]
    let mut command = tokio::process::Command::new(path);
    command.args(["version", "-json"]).env_clear().env("CHECKPOINT_DISABLE", "1").current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let failed = |why: String| {
        Fault::new(Code::TOOL_MISSING, format!("{} does not say its version: {why}", path.display()))
            .remedy("Name an OpenTofu or Terraform program with `--tool`.")
    };
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.map_err(|_| failed("it takes too long".into()))?.map_err(|error| failed(error.to_string()))?;
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))?;
    let version = json.get("terraform_version").and_then(serde_json::Value::as_str);
    let version = version.ok_or_else(|| failed("`terraform_version` is missing".into()))?.to_owned();
    let name =
        if path.file_name().is_some_and(|name| name.to_string_lossy().contains("tofu")) { "tofu" } else { "terraform" };
    Ok((name.to_owned(), version))
}
