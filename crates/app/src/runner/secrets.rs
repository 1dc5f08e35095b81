//! Secrets that the fleet definition names: files on the runner's machine.
//!
//! A name is looked for in the folder of `--secrets`, then among the service's systemd credentials. It is read again for
//! each task, so it may be renewed at any time. The text is never logged, and reaches the broker's headers alone.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use portcullis_model::{Code, Fault};

/// Largest secret, in bytes.
const SECRET_MAX_BYTES: u64 = 16 * 1024;
/// Shortest secret, in bytes: what is shorter is guessed, and cannot be told from other text in a log.
const SECRET_MIN_BYTES: usize = 8;

/// Where secrets are.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    folders: Vec<PathBuf>,
}

impl Secrets {
    /// Of folders with one file for each secret, asked in this order.
    pub fn new(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Secrets { folders: folders.into_iter().collect() }
    }

    /// A secret by its name, which the fleet definition has checked to be a plain file name.
    ///
    /// # Errors
    /// `PC-0620` when it is nowhere, cannot be read, is open to everybody, or is no secret.
    pub fn get(&self, name: &str) -> Result<String, Fault> {
        let fault = |why: String| {
            Fault::new(Code::SECRET, format!("the secret `{name}` {why}")).remedy(format!(
                "Put it into a file `{name}` in the folder of `--secrets`, or give it to the service with \
                 `LoadCredential={name}:…`; only the runner's user may read it."
            ))
        };
        for folder in &self.folders {
            let path = folder.join(name);
            let mut file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(fault(format!("cannot be read from {}: {error}", path.display()))),
            };
            let about = file.metadata().map_err(|error| fault(format!("cannot be read: {error}")))?;
            if !about.is_file() || about.mode() & 0o007 != 0 {
                return Err(fault(format!("in {} is no file, or everybody may read it", path.display())));
            }
            let mut text = String::new();
            file.by_ref()
                .take(SECRET_MAX_BYTES + 1)
                .read_to_string(&mut text)
                .map_err(|error| fault(format!("in {} cannot be read: {error}", path.display())))?;
            if text.len() as u64 > SECRET_MAX_BYTES {
                return Err(fault(format!("in {} is longer than {SECRET_MAX_BYTES} bytes", path.display())));
            }
            let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
            if text.len() < SECRET_MIN_BYTES || text.chars().any(|c| c.is_control()) {
                let why = format!("shorter than {SECRET_MIN_BYTES} bytes, or contains a control character");
                return Err(fault(format!("in {} is {why}", path.display())));
            }
            return Ok(text.to_owned());
        }
        Err(fault("is not on the runner".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_a_file_of_its_name_that_not_everybody_may_read() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let secrets = Secrets::new([first.path().to_owned(), second.path().to_owned()]);
        let put = |folder: &tempfile::TempDir, name: &str, text: &str, mode: u32| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        put(&second, "token", "12345678\n", 0o400);
        assert_eq!(secrets.get("token").unwrap(), "12345678");
        put(&first, "token", "abcdefgh", 0o640);
        assert_eq!(secrets.get("token").unwrap(), "abcdefgh");
        put(&first, "open", "12345678", 0o644);
        put(&first, "short", "1234567\n", 0o600);
        put(&first, "lines", "12345678\n9", 0o600);
        put(&first, "long", &"x".repeat(20_000), 0o600);
        for (name, why) in [
            ("open", "everybody may read it"),
            ("short", "is shorter than 8 bytes"),
            ("lines", "control character"),
            ("long", "is longer than"),
            ("none", "is not on the runner"),
        ] {
            let fault = secrets.get(name).unwrap_err();
            assert_eq!(fault.code(), Code::SECRET);
            assert!(fault.message().contains(why), "{fault}");
            assert!(!fault.to_string().contains("12345678"));
        }
    }
}
