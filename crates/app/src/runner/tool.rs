//! Which OpenTofu or Terraform, and which Terragrunt, this runner uses: the one that it was told, or one on its
//! search path, checked against what the fleet definition pins.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use portcullis_fleet::{Pin, ToolPin};
use portcullis_model::{Code, Digest, Fault};

/// Longest that `version` may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where a program outside of `/usr` appears in a sandbox.
const INSIDE: &str = "/tools";
const TERRAGRUNT: &str = "terragrunt";

/// A program that tasks are run with, found and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// For the driver and the estate.
    pub driver: portcullis_driver::Tool,
    /// Where it is on this host, if it must be shown inside (`/usr` is there anyway).
    pub bind: Option<PathBuf>,
}

/// How programs are looked for.
#[derive(Debug, Clone)]
pub struct Tools {
    tool: Option<PathBuf>,
    terragrunt: Option<PathBuf>,
    search: Option<String>,
}

impl Tools {
    /// From the options of `serve`: what the operator names, and where to look for what is not named.
    pub fn new(tool: Option<PathBuf>, terragrunt: Option<PathBuf>, search: Option<String>) -> Self {
        Tools { tool, terragrunt, search }
    }

    /// Finds the tool that the definition wants.
    ///
    /// # Errors
    /// `PC-0602` when it is not there or has another version, `PC-0610` when its digest is another.
    pub async fn find(&self, pin: Option<&ToolPin>) -> Result<Tool, Fault> {
        let (name, version, path) = self.find_on_host(pin).await?;
        Ok(found(name, version, path))
    }

    /// The tool's name, version and place on this host.
    ///
    /// # Errors
    /// As for [`Tools::find`].
    pub async fn find_on_host(&self, pin: Option<&ToolPin>) -> Result<(String, String, PathBuf), Fault> {
        let names: &[&str] = match pin {
            Some(pin) => &[pin.program.as_str()],
            None => &["tofu", "terraform"],
        };
        let path = self.path(self.tool.as_deref(), names, "--tool")?;
        let (name, version) = tool_version(&path).await?;
        if let Some(pin) = pin {
            let wanted = (pin.program.as_str(), pin.version.as_str());
            check(&path, (&name, &version), wanted, pin.sha256).await?;
        }
        Ok((name, version, path))
    }

    /// Finds Terragrunt, for the driver of that name.
    ///
    /// # Errors
    /// As for [`Tools::find`].
    pub async fn find_terragrunt(&self, pin: Option<&Pin>) -> Result<Tool, Fault> {
        let path = self.path(self.terragrunt.as_deref(), &[TERRAGRUNT], "--terragrunt")?;
        let version = terragrunt_version(&path).await?;
        if let Some(pin) = pin {
            check(&path, (TERRAGRUNT, &version), (TERRAGRUNT, &pin.version), pin.sha256).await?;
        }
        Ok(found(TERRAGRUNT.to_owned(), version, path))
    }

    /// Finds the program of a custom action. It is asked nothing: its digest says what it is.
    ///
    /// # Errors
    /// As for [`Tools::find`].
    pub async fn find_program(&self, name: &str, sha256: Digest) -> Result<Tool, Fault> {
        let path = self.path(None, &[name], "PATH").map_err(|fault| {
            Fault::new(fault.code(), fault.message())
                .remedy("Install it on the runner's PATH: the fleet names it by digest.")
        })?;
        check_digest(&path, sha256).await?;
        let driver = portcullis_driver::Tool {
            name: name.to_owned(),
            version: sha256.short(),
            program: format!("{INSIDE}/{name}"),
        };
        Ok(Tool { driver, bind: Some(path) })
    }

    fn path(&self, named: Option<&Path>, names: &[&str], option: &str) -> Result<PathBuf, Fault> {
        let search = self.search.as_deref().unwrap_or("/usr/local/bin:/usr/bin:/bin");
        let folders = || search.split(':').filter(|folder| folder.starts_with('/'));
        let found = match named {
            Some(named) => Some(named.to_path_buf()).filter(|path| path.is_file()),
            None => names
                .iter()
                .find_map(|name| folders().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())),
        };
        let path = found.ok_or_else(|| {
            let what = named.map_or_else(|| names.join(" or "), |named| named.display().to_string());
            Fault::new(Code::TOOL_MISSING, format!("{what} was not found"))
                .remedy(format!("Install it on the runner's PATH, or name it with `{option}`."))
        })?;
        std::fs::canonicalize(&path).map_err(|error| Fault::io(path.display(), &error))
    }
}

fn found(name: String, version: String, path: PathBuf) -> Tool {
    let in_system = path.starts_with("/usr");
    let program = if in_system { path.display().to_string() } else { format!("{INSIDE}/{name}") };
    let driver = portcullis_driver::Tool { name, version, program };
    Tool { driver, bind: (!in_system).then_some(path) }
}

/// Compares a program with what the fleet pins.
async fn check(
    path: &Path,
    (name, version): (&str, &str),
    wanted: (&str, &str),
    sha256: Option<Digest>,
) -> Result<(), Fault> {
    if (name, version) != wanted {
        let message = format!("{} is {name} {version}, the fleet wants {} {}", path.display(), wanted.0, wanted.1);
        return Err(Fault::new(Code::TOOL_MISSING, message)
            .remedy("Install that version, or change the pin in `portcullis.hcl`."));
    }
    match sha256 {
        Some(wanted) => check_digest(path, wanted).await,
        None => Ok(()),
    }
}

async fn check_digest(path: &Path, wanted: Digest) -> Result<(), Fault> {
    let bytes = tokio::fs::read(path).await.map_err(|error| Fault::io(path.display(), &error))?;
    let found = tokio::task::spawn_blocking(move || Digest::of(&bytes)).await;
    let found = found.map_err(|error| Fault::internal(format!("a program's digest: {error}")))?;
    if found != wanted {
        let message = format!("{} has the digest {found}, the fleet wants {wanted}", path.display());
        return Err(Fault::new(Code::TOOL_DIGEST, message).remedy("Install the official release again."));
    }
    Ok(())
}

/// Name and version of OpenTofu or Terraform, as `version -json` says them.
async fn tool_version(path: &Path) -> Result<(String, String), Fault> {
    let failed = |why: String| silent(path, &why).remedy("Name an OpenTofu or Terraform program with `--tool`.");
    let output = ask(path, &["version", "-json"]).await.map_err(failed)?;
    let json: serde_json::Value = serde_json::from_slice(&output).map_err(|error| failed(error.to_string()))?;
    let version = json.get("terraform_version").and_then(serde_json::Value::as_str);
    let version = version.ok_or_else(|| failed("`terraform_version` is missing".into()))?.to_owned();
    let name =
        if path.file_name().is_some_and(|name| name.to_string_lossy().contains("tofu")) { "tofu" } else { "terraform" };
    Ok((name.to_owned(), version))
}

/// The version of Terragrunt, as `--version` says it: `terragrunt version v1.2.3`.
async fn terragrunt_version(path: &Path) -> Result<String, Fault> {
    let failed = |why: String| silent(path, &why).remedy("Name a Terragrunt program with `--terragrunt`.");
    let output = ask(path, &["--version"]).await.map_err(failed)?;
    let text = String::from_utf8_lossy(&output).into_owned();
    let version = text.trim().strip_prefix("terragrunt version ").map(|version| version.trim_start_matches('v'));
    match version.filter(|version| !version.is_empty() && !version.contains(char::is_whitespace)) {
        Some(version) => Ok(version.to_owned()),
        None => Err(failed(format!("it says {:?}", text.chars().take(80).collect::<String>()))),
    }
}

fn silent(path: &Path, why: &str) -> Fault {
    Fault::new(Code::TOOL_MISSING, format!("{} does not say its version: {why}", path.display()))
}

/// What a program prints. The program is the operator's, not the repository's.
async fn ask(path: &Path, arguments: &[&str]) -> Result<Vec<u8>, String> {
    #[allow(
        clippy::disallowed_methods,
        reason = "asks the operator's own program for its version, outside of any task"
    )]
    let mut command = tokio::process::Command::new(path);
    command.args(arguments).env_clear().env("CHECKPOINT_DISABLE", "1").current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.map_err(|_| "it takes too long".to_owned())?;
    Ok(output.map_err(|error| error.to_string())?.stdout)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A program that prints a line, in a folder of its own.
    fn program(name: &str, prints: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\necho '{prints}'\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        (folder, path)
    }

    fn pin(version: &str, sha256: Option<Digest>) -> Pin {
        Pin { version: version.into(), sha256 }
    }

    #[tokio::test]
    async fn terragrunt_is_found_and_its_version_and_digest_are_checked() {
        let (folder, path) = program("terragrunt", "terragrunt version v1.1.2");
        let on_path = Tools::new(None, None, Some(folder.path().display().to_string()));
        let found = on_path.find_terragrunt(None).await.unwrap();
        assert_eq!((found.driver.version.as_str(), found.driver.program.as_str()), ("1.1.2", "/tools/terragrunt"));
        assert_eq!(found.bind, Some(path.canonicalize().unwrap()));
        let named = Tools::new(None, Some(path.clone()), None);
        let digest = Digest::of(&std::fs::read(&path).unwrap());
        assert!(named.find_terragrunt(Some(&pin("1.1.2", Some(digest)))).await.is_ok());
        let other = named.find_terragrunt(Some(&pin("1.1.3", Some(digest)))).await.unwrap_err();
        assert_eq!(other.code(), Code::TOOL_MISSING);
        let forged = named.find_terragrunt(Some(&pin("1.1.2", Some(Digest::of(b"x"))))).await.unwrap_err();
        assert_eq!(forged.code(), Code::TOOL_DIGEST);
    }

    #[tokio::test]
    async fn what_is_no_terragrunt_is_refused() {
        for prints in ["", "terragrunt version ", "Terraform v1.11.4", "terragrunt version 1 2"] {
            let (_folder, path) = program("terragrunt", prints);
            let refused = Tools::new(None, Some(path), None).find_terragrunt(None).await.unwrap_err();
            assert_eq!(refused.code(), Code::TOOL_MISSING, "{prints}");
        }
        let missing = Tools::new(None, None, Some("/nowhere".into())).find_terragrunt(None).await.unwrap_err();
        assert!(missing.to_string().contains("terragrunt was not found"), "{missing}");
    }
}
