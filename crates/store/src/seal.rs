//! Sealing: AES-256-GCM over compressed content, bound to what it is.
//!
//! A sealed object is `version (1) ‖ nonce (12) ‖ ciphertext ‖ tag (16)`; under the cipher lie the length of
//! the content (8, big endian) and the content, compressed with zstd. The additional data name the object's
//! kind and id, so that a sealed object that is moved to another place does not open there. Nonces are
//! random: one key is good for 2³² objects (NIST SP 800-38D, 8.3).

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use portcullis_model::{Code, Fault};

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const HEADER_BYTES: usize = 1 + NONCE_BYTES;
const LENGTH_BYTES: usize = 8;
/// No object is larger, so a length beyond it is damage and not an order for memory.
const CONTENT_MAX_BYTES: u64 = 1 << 30;
/// zstd's fast end: states and plans shrink tenfold here already.
const LEVEL: i32 = 1;

/// What an object is and which one: part of what its tag proves.
pub(crate) struct Label(Vec<u8>);

impl Label {
    pub(crate) fn new(kind: &str, id: &[&[u8]]) -> Self {
        let mut bytes = b"portcullis seal v1".to_vec();
        for part in std::iter::once(kind.as_bytes()).chain(id.iter().copied()) {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        Label(bytes)
    }
}

/// The runner's key.
pub(crate) struct Key(RandomizedNonceKey);

impl Key {
    /// From a key file: 64 hexadecimal digits, readable for its owner only.
    pub(crate) fn load(path: &Path) -> Result<Self, Fault> {
        let what = format!("the key file {}", path.display());
        let file = File::open(path).map_err(|error| Fault::io(&what, &error))?;
        let mode = file.metadata().map_err(|error| Fault::io(&what, &error))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(Fault::new(Code::STORE, format!("{what} may be used by others (mode {:o})", mode & 0o777))
                .remedy(format!("Run `chmod 600 {}`.", path.display())));
        }
        let mut text = String::new();
        file.take(1024).read_to_string(&mut text).map_err(|error| Fault::io(&what, &error))?;
        let bytes = from_hex(text.trim_end()).ok_or_else(|| {
            Fault::new(Code::SEAL_BROKEN, format!("{what} does not hold 64 hexadecimal digits"))
                .remedy("Restore the key file from a backup: without it no plan and no state can be read.")
        })?;
        Self::from_bytes(&bytes)
    }

    /// Makes a new key file. It never replaces one that is there.
    pub(crate) fn create(path: &Path) -> Result<Self, Fault> {
        let what = format!("the key file {}", path.display());
        let failed = |error: std::io::Error| Fault::io(&what, &error);
        let mut bytes = [0u8; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Fault::internal("no random bytes for the key"))?;
        // Written whole beside it, then linked: a crash leaves no half a key under the name.
        let draft = path.with_extension("draft");
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(failed)?;
        file.write_all(format!("{}\n", to_hex(&bytes)).as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        fs::hard_link(&draft, path).map_err(failed)?;
        fs::remove_file(&draft).map_err(failed)?;
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            File::open(parent).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        Self::from_bytes(&bytes)
    }

    fn from_bytes(bytes: &[u8; 32]) -> Result<Self, Fault> {
        RandomizedNonceKey::new(&AES_256_GCM, bytes).map(Key).map_err(|_| Fault::internal("the key is not usable"))
    }

    /// Seals content under a label.
    pub(crate) fn seal(&self, label: &Label, content: &[u8]) -> Result<Vec<u8>, Fault> {
        let packed = zstd::bulk::compress(content, LEVEL).map_err(|error| Fault::internal(format!("zstd: {error}")))?;
        let mut sealed = Vec::with_capacity(HEADER_BYTES + LENGTH_BYTES + packed.len() + TAG_BYTES);
        sealed.push(VERSION);
        sealed.extend_from_slice(&[0; NONCE_BYTES]);
        sealed.extend_from_slice(&(content.len() as u64).to_be_bytes());
        sealed.extend_from_slice(&packed);
        let (header, secret) = sealed.split_at_mut(HEADER_BYTES);
        let (nonce, tag) = self
            .0
            .seal_in_place_separate_tag(Aad::from(&label.0), secret)
            .map_err(|_| Fault::internal("an object cannot be sealed"))?;
        for (to, from) in header.iter_mut().skip(1).zip(nonce.as_ref()) {
            *to = *from;
        }
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what was sealed under this label. `what` names it in the fault.
    ///
    /// # Errors
    /// `PC-0702` when it was changed, cut, moved, or sealed with another key.
    pub(crate) fn open(&self, label: &Label, what: &str, mut sealed: Vec<u8>) -> Result<Vec<u8>, Fault> {
        let broken = || {
            Fault::new(Code::SEAL_BROKEN, format!("{what} does not open: it was changed, or sealed with another key"))
                .remedy("Restore the data folder and its key file from a backup.")
        };
        let (header, secret) = sealed.split_at_mut_checked(HEADER_BYTES).ok_or_else(broken)?;
        let (&mut version, nonce) = header.split_first_mut().ok_or_else(broken)?;
        if version != VERSION {
            return Err(broken());
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken())?;
        let opened = self.0.open_in_place(nonce, Aad::from(&label.0), secret).map_err(|_| broken())?;
        let (length, packed) = opened.split_first_chunk::<LENGTH_BYTES>().ok_or_else(broken)?;
        let length = u64::from_be_bytes(*length);
        if length > CONTENT_MAX_BYTES {
            return Err(broken());
        }
        let capacity = usize::try_from(length).map_err(|_| broken())?;
        let content = zstd::bulk::decompress(packed, capacity).map_err(|_| broken())?;
        if content.len() == capacity { Ok(content) } else { Err(broken()) }
    }
}

fn to_hex(bytes: &[u8; 32]) -> String {
    portcullis_model::Digest::from_bytes(*bytes).to_string()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    text.parse::<portcullis_model::Digest>().ok().map(|digest| *digest.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> Key {
        Key::from_bytes(&[byte; 32]).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_and_any_changed_bit_is_noticed(
            content in prop::collection::vec(any::<u8>(), 0..2000), at in any::<prop::sample::Index>(), bit in 0u8..8,
        ) {
            let label = Label::new("state", &[b"dev/vpc", &1u64.to_be_bytes()]);
            let sealed = key(1).seal(&label, &content).unwrap();
            prop_assert_eq!(key(1).open(&label, "it", sealed.clone()).unwrap(), content);
            let mut changed = sealed.clone();
            let index = at.index(changed.len());
            changed[index] ^= 1 << bit;
            prop_assert_eq!(key(1).open(&label, "it", changed).unwrap_err().code(), Code::SEAL_BROKEN);
            let cut = sealed[..index].to_vec();
            prop_assert_eq!(key(1).open(&label, "it", cut).unwrap_err().code(), Code::SEAL_BROKEN);
        }
    }

    #[test]
    fn another_label_or_key_does_not_open() {
        let label = Label::new("state", &[b"dev/vpc", b"1"]);
        let sealed = key(1).seal(&label, b"secret").unwrap();
        for other in [
            Label::new("state", &[b"dev/vpc", b"2"]),
            Label::new("state", &[b"dev/vpc1", b""]),
            Label::new("plan", &[b"dev/vpc", b"1"]),
        ] {
            assert_eq!(key(1).open(&other, "it", sealed.clone()).unwrap_err().code(), Code::SEAL_BROKEN);
        }
        assert_eq!(key(2).open(&label, "it", sealed.clone()).unwrap_err().code(), Code::SEAL_BROKEN);
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert_ne!(sealed, key(1).seal(&label, b"secret").unwrap(), "a nonce was used twice");
    }

    #[test]
    fn a_key_file_is_private_whole_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let label = Label::new("x", &[]);
        let sealed = Key::create(&path).unwrap().seal(&label, b"y").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Key::load(&path).unwrap().open(&label, "it", sealed).unwrap(), b"y");
        assert!(Key::create(&path).is_err());

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Key::load(&path).err().unwrap().remedy_text().unwrap().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "00ff").unwrap();
        assert_eq!(Key::load(&path).err().unwrap().code(), Code::SEAL_BROKEN);
    }
}
