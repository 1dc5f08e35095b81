//! Checkpoints: what a runner signs over its ledger.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use portcullis_model::ledger::Head;
use portcullis_model::{Code, Digest, Fault};

use super::key::{SigningKey, VerifyingKey};

/// Largest checkpoint, with the signatures of others.
pub const CHECKPOINT_MAX_BYTES: usize = 16 * 1024;
/// What a signature line starts with: an em dash and a space.
const SIGNATURE: &str = "\u{2014} ";
const SIGNATURES_MAX: usize = 16;

/// How many entries a ledger has and what the hash of the last one is, at a time, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The ledger's name, which is its key's.
    pub origin: String,
    /// The entries that it is over.
    pub head: Head,
    /// When it was signed, by the runner's clock (UTC).
    pub at: Timestamp,
}

impl Checkpoint {
    /// Signs a chain's head.
    pub fn sign(head: Head, at: Timestamp, key: &SigningKey) -> String {
        let origin = key.verifying().name();
        let hash = STANDARD.encode(head.hash.as_bytes());
        let body = format!("{origin}\n{}\n{hash}\ntime {at}\n", head.number);
        let signature = [&key.verifying().hash()[..], &key.sign(body.as_bytes())].concat();
        format!("{body}\n{SIGNATURE}{origin} {}\n", STANDARD.encode(signature))
    }

    /// Reads one that this key has signed. Signatures of others, such as witnesses, may stand beside.
    ///
    /// # Errors
    /// `PC-0909`.
    pub fn open(note: &str, key: &VerifyingKey) -> Result<Self, Fault> {
        let refuse = |why: &str| {
            Fault::new(Code::LEDGER_BROKEN, format!("the checkpoint {why}"))
                .remedy("Compare the key with the `ledger.pub` that you kept. If it is the same, ask who changed this.")
        };
        if note.len() > CHECKPOINT_MAX_BYTES {
            return Err(refuse("is too large to be one"));
        }
        let (body, signatures) = note.split_once("\n\n").ok_or_else(|| refuse("has no signature"))?;
        let body = format!("{body}\n");
        let mut signatures = signatures.lines().take(SIGNATURES_MAX);
        let holds = signatures.any(|line| is_signature_of(line, &body, key));
        if !holds {
            return Err(refuse(&format!("is not signed with the key of `{}`", key.name())));
        }
        Self::read(&body)
            .filter(|read| read.origin == key.name())
            .ok_or_else(|| refuse("is signed, but is none of a ledger"))
    }

    fn read(body: &str) -> Option<Self> {
        let mut lines = body.lines();
        let origin = lines.next()?.to_owned();
        let size = lines.next()?;
        let number: u64 = size.parse().ok().filter(|number: &u64| number.to_string() == size)?;
        let hash: [u8; 32] = STANDARD.decode(lines.next()?).ok()?.try_into().ok()?;
        let at = lines.next()?.strip_prefix("time ")?.parse().ok()?;
        let head = Head { number, hash: Digest::from_bytes(hash) };
        lines.next().is_none().then_some(Checkpoint { origin, head, at })
    }
}

fn is_signature_of(line: &str, body: &str, key: &VerifyingKey) -> bool {
    let Some((name, signature)) = line.strip_prefix(SIGNATURE).and_then(|rest| rest.split_once(' ')) else {
        return false;
    };
    let Ok(signature) = STANDARD.decode(signature) else { return false };
    let Some((hash, signature)) = signature.split_first_chunk::<4>() else { return false };
    name == key.name() && *hash == key.hash() && key.verifies(body.as_bytes(), signature)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head() -> Head {
        Head { number: 7, hash: Digest::of(b"entry") }
    }

    #[test]
    fn a_checkpoint_is_a_signed_note() {
        let key = SigningKey::generate("portcullis/dev").unwrap();
        let at: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let note = Checkpoint::sign(head(), at, &key);
        let (body, signature) = note.split_once("\n\n").unwrap();
        let hash = STANDARD.encode(Digest::of(b"entry").as_bytes());
        assert_eq!(body, format!("portcullis/dev\n7\n{hash}\ntime 2026-01-02T03:04:05Z"));
        assert!(signature.starts_with("— portcullis/dev "), "{signature}");
        let read = Checkpoint::open(&note, key.verifying()).unwrap();
        assert_eq!(read, Checkpoint { origin: "portcullis/dev".into(), head: head(), at });
        // A witness has signed as well.
        let witness = SigningKey::generate("witness").unwrap();
        let other = Checkpoint::sign(head(), at, &witness);
        let both = format!("{body}\n\n{}\n{signature}", other.lines().last().unwrap());
        assert_eq!(Checkpoint::open(&both, key.verifying()).unwrap(), read);
        // The same name with another key.
        let impostor = SigningKey::generate("portcullis/dev").unwrap();
        let refused = Checkpoint::open(&note, impostor.verifying()).unwrap_err();
        assert_eq!(refused.code(), Code::LEDGER_BROKEN);
    }

    proptest! {
        #[test]
        fn no_character_can_be_changed(at in any::<prop::sample::Index>(), to in any::<char>()) {
            let key = SigningKey::generate("portcullis/dev").unwrap();
            let note = Checkpoint::sign(head(), Timestamp::UNIX_EPOCH, &key);
            let mut characters: Vec<char> = note.trim_end().chars().collect();
            let index = at.index(characters.len());
            prop_assume!(characters[index] != to);
            characters[index] = to;
            let changed: String = characters.into_iter().collect();
            // A line that ends after the signature is another line, not another signature.
            prop_assume!(!to.is_whitespace());
            prop_assert!(Checkpoint::open(&changed, key.verifying()).is_err());
        }
    }
}
