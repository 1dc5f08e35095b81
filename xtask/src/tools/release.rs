//! The official OpenTofu release: which one, and installing it.
//!
//! The digest is pinned here, so it does not matter where the archive comes from: what is not this release is
//! not installed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use crate::tools::{archive, download};
use crate::workspace::Workspace;

/// OpenTofu's release page.
pub const BASE_URL: &str = "https://github.com/opentofu/opentofu/releases/download";

/// Far above the size of a release (27 MB), so that a wrong server cannot fill the disk.
const ARCHIVE_BYTES_MAX: u64 = 128 << 20;
/// The program in it is about 100 MB.
const PROGRAM_BYTES_MAX: u64 = 512 << 20;

/// One build of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    pub version: &'static str,
    pub platform: &'static str,
    /// SHA-256 of the zip archive, from the release's signed `SHA256SUMS`.
    pub sha256: &'static str,
}

const RELEASES: [Release; 2] = [
    Release {
        version: "1.10.6",
        platform: "linux_amd64",
        sha256: "15b7bed76420b50da3e121769c43341df8cd57d751ca14e6dbe9c850124c6dac",
    },
    Release {
        version: "1.10.6",
        platform: "linux_arm64",
        sha256: "a32f653d686a8cad9b9be82101eb5b5e834fbfa8d095842fa1820c5d27fad967",
    },
];

/// The build for this machine. Sandboxes need Linux, so other systems have none.
pub fn for_this_machine() -> Result<Release, String> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    for_machine(os, arch)
        .ok_or_else(|| format!("there is no pinned OpenTofu for {os}/{arch}: install `tofu` or `terraform` yourself"))
}

fn for_machine(os: &str, arch: &str) -> Option<Release> {
    let arch = match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        _ => return None,
    };
    RELEASES.into_iter().find(|release| release.platform == format!("{os}_{arch}"))
}

/// Downloads, verifies and installs a release. Returns the program.
pub fn install(workspace: &Workspace, base: &str, release: Release) -> Result<PathBuf, String> {
    let Release { version, platform, sha256 } = release;
    let url = format!("{base}/v{version}/tofu_{version}_{platform}.zip");
    let bin = workspace.tools_bin();
    fs::create_dir_all(&bin).map_err(|error| format!("{} cannot be made: {error}", bin.display()))?;
    let scratch = tempfile::tempdir_in(workspace.tools()).map_err(|error| format!("no temporary folder: {error}"))?;
    let zip = scratch.path().join("tofu.zip");
    println!("fetching OpenTofu {version} from {url}");
    download::to_file(workspace, &url, &zip, ARCHIVE_BYTES_MAX).map_err(|error| {
        format!("{error}\nInstall `tofu` or `terraform` yourself, or give a mirror with `--release-url`.")
    })?;
    let bytes = fs::read(&zip).map_err(|error| format!("the archive cannot be read: {error}"))?;
    let found = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    if found != sha256 {
        return Err(format!("{url}\nhas SHA-256 {found}\nbut it must be  {sha256}\nIt was not installed."));
    }
    let program = archive::extract(&bytes, "tofu", PROGRAM_BYTES_MAX)?;
    let staged = scratch.path().join("tofu");
    let installed = bin.join("tofu");
    fs::write(&staged, program)
        .and_then(|()| fs::set_permissions(&staged, fs::Permissions::from_mode(0o755)))
        // In one step: whoever runs it at this moment keeps the old file.
        .and_then(|()| fs::rename(&staged, &installed))
        .map_err(|error| format!("{} cannot be written: {error}", installed.display()))?;
    Ok(installed)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;
    use crate::process::command;
    use crate::tools::archive::tests::zip_of;

    /// Answers every request with these bytes, on loopback, until it is dropped with the test.
    fn serve(status: &'static str, body: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut request = [0u8; 4096];
                let _ = stream.read(&mut request);
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            }
        });
        format!("http://{address}")
    }

    fn workspace(root: &std::path::Path) -> Workspace {
        Workspace::for_tests(root, Workspace::of_this_program().path_for_children())
    }

    fn release_of(bytes: &[u8]) -> Release {
        let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Release { version: "9.9.9", platform: "linux_amd64", sha256: sha256.leak() }
    }

    #[test]
    fn a_release_is_downloaded_verified_and_installed() {
        let zip = zip_of(&[("LICENSE", b"text"), ("tofu", b"#!/bin/sh\necho OpenTofu v9.9.9\n")]);
        let folder = tempfile::tempdir().unwrap();
        let workspace = workspace(folder.path());
        let installed = install(&workspace, &serve("200 OK", zip.clone()), release_of(&zip)).unwrap();
        assert_eq!(installed, folder.path().join(".tools/bin/tofu"));
        assert_eq!(crate::process::output(&mut command(&workspace, &installed)).unwrap(), "OpenTofu v9.9.9\n");
        let left: Vec<_> = fs::read_dir(workspace.tools()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["bin"], "no scratch folder stays");
        // And it is found from then on.
        assert_eq!(Workspace::for_tests(folder.path(), "").find("tofu"), Some(installed));
    }

    #[test]
    fn what_is_not_the_release_is_not_installed() {
        let zip = zip_of(&[("tofu", b"evil")]);
        let folder = tempfile::tempdir().unwrap();
        let error = install(&workspace(folder.path()), &serve("200 OK", zip), release_of(b"another")).unwrap_err();
        assert!(error.contains("It was not installed."), "{error}");
        assert!(!folder.path().join(".tools/bin/tofu").exists());
    }

    #[test]
    fn a_missing_release_names_its_url() {
        let folder = tempfile::tempdir().unwrap();
        let base = serve("404 Not Found", Vec::new());
        let error = install(&workspace(folder.path()), &base, release_of(b"x")).unwrap_err();
        assert!(error.contains("/v9.9.9/tofu_9.9.9_linux_amd64.zip") && error.contains("--release-url"), "{error}");
    }

    #[test]
    fn an_archive_over_the_limit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("x");
        let url = serve("200 OK", vec![0; 100_000]);
        let error = download::to_file(&workspace(folder.path()), &url, &target, 1000).unwrap_err();
        assert!(error.contains(&url), "{error}");
    }

    #[test]
    fn digests_are_digests_and_each_platform_has_one() {
        for release in RELEASES {
            assert!(release.sha256.len() == 64 && release.sha256.bytes().all(|b| b.is_ascii_hexdigit()));
        }
        assert_eq!(for_machine("linux", "x86_64").map(|release| release.platform), Some("linux_amd64"));
        assert_eq!(for_machine("linux", "aarch64").map(|release| release.platform), Some("linux_arm64"));
        assert_eq!(for_machine("macos", "aarch64"), None);
    }
}
