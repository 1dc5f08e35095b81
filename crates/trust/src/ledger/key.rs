//! Ed25519 keys of signed notes, in the text form of Go's `note` package.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_model::{Code, Digest, Fault};

/// The algorithm's byte in a signed note's key.
const ALGORITHM: u8 = 0x01;
const PRIVATE: &str = "PRIVATE+KEY+";
/// Longest text of a key, in bytes.
const KEY_MAX_BYTES: usize = 512;
const KEY_BYTES: usize = 32;

/// A key that checkpoints are checked with: `NAME+HASH+BASE64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    public: [u8; KEY_BYTES],
}

/// A key that checkpoints are signed with. Its text form is a secret.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    seed: [u8; KEY_BYTES],
    verifying: VerifyingKey,
}

impl VerifyingKey {
    /// Whose it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a signature line names it by: the first four bytes of a hash over name, algorithm and key.
    pub(super) fn hash(&self) -> [u8; 4] {
        let bytes = [self.name.as_bytes(), b"\n", &[ALGORITHM], &self.public].concat();
        let [a, b, c, d, ..] = *Digest::of(&bytes).as_bytes();
        [a, b, c, d]
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(message, signature).is_ok()
    }

    fn fingerprint(&self) -> String {
        self.hash().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode([&[ALGORITHM], &self.public[..]].concat());
        write!(f, "{}+{}+{key}", self.name, self.fingerprint())
    }
}

impl FromStr for VerifyingKey {
    type Err = Fault;

    /// # Errors
    /// `PC-0910`.
    fn from_str(text: &str) -> Result<Self, Fault> {
        let (name, public) = parts(text.trim_end())?;
        let key = VerifyingKey { name, public };
        // The hash is in the text so that a mistyped key is no key.
        if key.to_string() == text.trim_end() { Ok(key) } else { Err(no_key()) }
    }
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// `PC-0910` for a name that cannot be in a note, `PC-0900` without random bytes.
    pub fn generate(name: &str) -> Result<Self, Fault> {
        let mut seed = [0; KEY_BYTES];
        aws_lc_rs::rand::fill(&mut seed).map_err(|_| Fault::internal("no random bytes for the ledger's key"))?;
        Self::from_seed(name, seed)
    }

    fn from_seed(name: &str, seed: [u8; KEY_BYTES]) -> Result<Self, Fault> {
        check_name(name)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| no_key())?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| no_key())?;
        Ok(SigningKey { pair, seed, verifying: VerifyingKey { name: name.to_owned(), public } })
    }

    /// From its text, which [`SigningKey::to_secret_text`] made.
    ///
    /// # Errors
    /// `PC-0910`. The text is not shown.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let rest = text.trim_end().strip_prefix(PRIVATE).ok_or_else(no_key)?;
        let (name, seed) = parts(rest)?;
        let key = Self::from_seed(&name, seed)?;
        if *key.to_secret_text() == *text.trim_end() { Ok(key) } else { Err(no_key()) }
    }

    /// The secret, for its file.
    pub fn to_secret_text(&self) -> String {
        let key = STANDARD.encode([&[ALGORITHM], &self.seed[..]].concat());
        format!("{PRIVATE}{}+{}+{key}", self.verifying.name, self.verifying.fingerprint())
    }

    /// The key that checks what this one signs.
    pub fn verifying(&self) -> &VerifyingKey {
        &self.verifying
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, hidden)", self.verifying)
    }
}

/// `NAME+HASH+BASE64`, the hash not compared yet. Base64 has a `+` of its own.
fn parts(text: &str) -> Result<(String, [u8; KEY_BYTES]), Fault> {
    if text.len() > KEY_MAX_BYTES {
        return Err(no_key());
    }
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else { return Err(no_key()) };
    check_name(name)?;
    let bytes = STANDARD.decode(key).map_err(|_| no_key())?;
    match bytes.split_first() {
        Some((&ALGORITHM, key)) => Ok((name.to_owned(), key.try_into().map_err(|_| no_key())?)),
        _ => Err(no_key()),
    }
}

fn check_name(name: &str) -> Result<(), Fault> {
    let fits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+');
    if fits { Ok(()) } else { Err(no_key()) }
}

fn no_key() -> Fault {
    Fault::new(Code::LEDGER_KEY, "this is no key of a ledger").remedy(
        "Give the line in the runner's `ledger.pub`, whole: a name, eight hexadecimal digits and the key, with `+` between.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seed is the bytes 0 to 31. Go's `golang.org/x/mod/sumdb/note` takes both.
    const GO: &str = "portcullis/example+de9671f6+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
    const GO_SECRET: &str = "PRIVATE+KEY+portcullis/example+de9671f6+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

    #[test]
    fn keys_are_those_of_signed_notes() {
        let key: VerifyingKey = GO.parse().unwrap();
        assert_eq!((key.name(), key.to_string().as_str()), ("portcullis/example", GO));
        let secret = SigningKey::parse(GO_SECRET).unwrap();
        assert_eq!(secret.verifying(), &key);
        assert!(key.verifies(b"text", &secret.sign(b"text")));
        assert!(!format!("{secret:?}").contains("AQABAg"));
        let new = SigningKey::generate("portcullis/dev").unwrap();
        assert_eq!(SigningKey::parse(&new.to_secret_text()).unwrap().verifying(), new.verifying());
        assert_eq!(new.verifying().to_string().parse::<VerifyingKey>().unwrap(), *new.verifying());
    }

    #[test]
    fn a_mistyped_key_is_no_key() {
        let wrong = [
            GO.replace("de9671f6", "de9671f7"),
            GO.replace("AQOh", "AQOi"),
            GO.replace("AQOh", "AgOh"),
            GO.replace("example", "exam ple"),
            GO.replace("portcullis/example", ""),
            GO.replace('+', " "),
            "x".repeat(10_000),
            String::new(),
        ];
        for text in wrong {
            assert_eq!(text.parse::<VerifyingKey>().unwrap_err().code(), Code::LEDGER_KEY, "{text:.80}");
            let secret = format!("{PRIVATE}{text}");
            assert_eq!(SigningKey::parse(&secret).unwrap_err().code(), Code::LEDGER_KEY, "{text:.80}");
        }
        assert_eq!(SigningKey::parse(GO).unwrap_err().code(), Code::LEDGER_KEY);
        for name in ["", "a b", "a+b", "ä"] {
            assert_eq!(SigningKey::generate(name).unwrap_err().code(), Code::LEDGER_KEY);
        }
    }
}
