//! An export of a ledger, verified: is it what was signed, and if not, where does it begin to differ?
//!
//! An export is lines of JSON: `{"entry":…,"hash":"…"}`, the entry's own bytes as they are kept, and
//! `{"checkpoint":"…"}` after the entry that it is over. What is read is never written anew to be compared.
//!
//! What can be known: a chain alone says that nothing was changed by somebody who did not make it anew from there on.
//! A checkpoint says that nothing before it was changed by anybody without the key. So the first entry that differs is
//! named as exactly as that allows: [`Broken::since`] is where the proven part ends.

use std::fmt;
use std::io::{BufRead, Read as _};

use jiff::Timestamp;
use portcullis_model::ledger::{ENTRY_MAX_BYTES, Head};
use portcullis_model::{Code, Digest, Fault};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::checkpoint::Checkpoint;
use super::key::VerifyingKey;

/// Largest line of an export, in bytes.
const LINE_MAX_BYTES: usize = ENTRY_MAX_BYTES + 1024;

/// An entry as a line of an export, without the line's end.
pub fn entry_line(text: &str, hash: &Digest) -> String {
    format!(r#"{{"entry":{text},"hash":"{hash}"}}"#)
}

/// A checkpoint as a line of an export, without the line's end.
pub fn checkpoint_line(note: &str) -> String {
    serde_json::json!({ "checkpoint": note }).to_string()
}

/// What holds, of an export that is what was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The ledger's name.
    pub origin: String,
    /// The newest entry.
    pub head: Head,
    /// How many checkpoints are in it.
    pub checkpoints: u64,
    /// When the last of them was signed.
    pub signed_at: Timestamp,
}

/// What is wrong with an export, first of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The line of the export that shows it, from 1. 0 for what its end shows.
    pub line: u64,
    /// The entry.
    pub number: u64,
    /// The first entry that no checkpoint proves. Somebody who made the chain anew from there on would have left
    /// the same marks.
    pub since: u64,
    /// What is wrong with it.
    pub what: Break,
}

/// What can be wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// It is not the one that was there.
    Changed,
    /// It is not there.
    Dropped,
    /// It is there, in another place.
    Reordered,
    /// It was not there.
    Added,
    /// It, or one before it that no checkpoint proves, is not the one that was signed.
    Rewritten,
    /// The checkpoint after it is not signed with the key, or is for another place.
    Checkpoint,
    /// It and those after it are proven by no checkpoint.
    Unsigned,
    /// It, and maybe more, was there when another checkpoint was signed.
    Truncated,
    /// The line cannot be read.
    Unreadable,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Broken { line, number, since, what } = self;
        match what {
            Break::Changed => write!(f, "entry {number} was changed"),
            Break::Dropped => write!(f, "entry {number} was dropped"),
            Break::Reordered => write!(f, "entry {number} is not in its place: entries were reordered"),
            Break::Added => write!(f, "entry {number} was added"),
            Break::Rewritten if since == number => write!(f, "entry {number} was changed"),
            Break::Rewritten => {
                write!(f, "entry {number} was changed, or entries from {since} to {number} were written anew")
            }
            Break::Checkpoint => write!(f, "the checkpoint after entry {number} does not hold"),
            Break::Unsigned => {
                write!(f, "entry {number} and what follows is under no checkpoint: added, or cut off after it")
            }
            Break::Truncated => {
                write!(f, "entry {number} was there when the other checkpoint was signed, and was dropped")
            }
            Break::Unreadable => write!(f, "entry {number} cannot be read"),
        }?;
        if *line > 0 { write!(f, " (line {line})") } else { Ok(()) }
    }
}

impl From<Broken> for Fault {
    fn from(broken: Broken) -> Fault {
        let remedy = match broken.what {
            Break::Unsigned => "Export again with `portcullis ledger export`, which ends in a checkpoint.",
            _ => "Compare with an earlier export or checkpoint, and find out who could write to this one since.",
        };
        Fault::new(Code::LEDGER_BROKEN, format!("the ledger is not what was signed: {broken}")).remedy(remedy)
    }
}

/// Verifies an export with the runner's public key, and with checkpoints that were kept elsewhere.
///
/// # Errors
/// `PC-0909` with the first entry that is not what was signed; `PC-0901` when it cannot be read.
pub fn verify(export: &mut dyn BufRead, key: &VerifyingKey, others: &[Checkpoint]) -> Result<Report, Fault> {
    let mut walk =
        Walk { lines: Lines { export, number: 0 }, key, head: Head::EMPTY, signed: None, checkpoints: 0, others };
    while let Some(line) = walk.lines.next()? {
        match line {
            Line::Entry(entry) => walk.entry(&entry)?,
            Line::Checkpoint(note) => walk.checkpoint(&note)?,
            Line::Unreadable => return Err(walk.broken(walk.expected(), Break::Unreadable).into()),
        }
    }
    walk.end()
}

/// A line of an export.
enum Line {
    Entry(Link),
    Checkpoint(String),
    Unreadable,
}

/// Of an entry, what makes it one of a chain.
struct Link {
    number: u64,
    previous: Digest,
    hash: Digest,
    /// Whether the hash is that of its bytes.
    whole: bool,
}

struct Lines<'a> {
    export: &'a mut dyn BufRead,
    number: u64,
}

impl Lines<'_> {
    fn next(&mut self) -> Result<Option<Line>, Fault> {
        let mut line = Vec::new();
        let most = LINE_MAX_BYTES as u64 + 1;
        let read = (&mut *self.export).take(most).read_until(b'\n', &mut line);
        if read.map_err(|error| Fault::io("reading the export", &error))? == 0 {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(parse(&line).unwrap_or(Line::Unreadable)))
    }

    /// The next entry, and the checkpoints that stand before it.
    fn next_entry(&mut self) -> Result<(Option<Link>, Vec<String>), Fault> {
        let mut notes = Vec::new();
        loop {
            match self.next()? {
                None => return Ok((None, notes)),
                Some(Line::Entry(link)) => return Ok((Some(link), notes)),
                Some(Line::Checkpoint(note)) if notes.is_empty() => notes.push(note),
                Some(_) => {}
            }
        }
    }
}

fn parse(line: &[u8]) -> Option<Line> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer<'a> {
        #[serde(borrow)]
        entry: Option<&'a RawValue>,
        hash: Option<Digest>,
        checkpoint: Option<String>,
    }
    /// Kinds of entries that a later version writes are as good a part of the chain.
    #[derive(Deserialize)]
    struct Inner {
        number: u64,
        previous: Digest,
    }
    match serde_json::from_slice(line).ok()? {
        Outer { entry: Some(raw), hash: Some(hash), checkpoint: None } => {
            let Inner { number, previous } = serde_json::from_str(raw.get()).ok()?;
            let whole = Digest::of(raw.get().as_bytes()) == hash;
            Some(Line::Entry(Link { number, previous, hash, whole }))
        }
        Outer { entry: None, hash: None, checkpoint: Some(note) } => Some(Line::Checkpoint(note)),
        _ => None,
    }
}

/// Where a verification is.
struct Walk<'a> {
    lines: Lines<'a>,
    key: &'a VerifyingKey,
    /// The last entry that was taken.
    head: Head,
    signed: Option<Checkpoint>,
    checkpoints: u64,
    others: &'a [Checkpoint],
}

impl Walk<'_> {
    fn expected(&self) -> u64 {
        self.head.number.saturating_add(1)
    }

    fn proven(&self) -> u64 {
        self.signed.as_ref().map_or(0, |checkpoint| checkpoint.head.number)
    }

    fn broken(&self, number: u64, what: Break) -> Broken {
        let since = self.proven().saturating_add(1).min(number);
        Broken { line: self.lines.number, number, since, what }
    }

    fn entry(&mut self, link: &Link) -> Result<(), Fault> {
        if !link.whole || link.number != self.expected() || link.previous != self.head.hash {
            // Finding out reads on.
            let line = self.lines.number;
            let (number, what) = self.find_out(link)?;
            return Err(Broken { line, ..self.broken(number, what) }.into());
        }
        self.head = Head { number: link.number, hash: link.hash };
        if self.others.iter().any(|other| other.head.number == link.number && other.head.hash != link.hash) {
            return Err(self.broken(link.number, Break::Rewritten).into());
        }
        Ok(())
    }

    /// What is wrong with an entry that does not follow, by what comes after it.
    fn find_out(&mut self, link: &Link) -> Result<(u64, Break), Fault> {
        let expected = self.expected();
        let follows = |other: &Link, head: &Head| other.whole && other.previous == head.hash;
        let (next, notes) = self.lines.next_entry()?;
        let here = Head { number: link.number, hash: link.hash };
        let signed = notes.iter().any(|note| Checkpoint::open(note, self.key).is_ok_and(|note| note.head == here));
        let stands = signed || next.as_ref().is_some_and(|next| follows(next, &here));
        // The one that belongs here comes right after: what stands here was put before it.
        let belongs = |other: &Link| other.number == expected && follows(other, &self.head);
        let here_is_next = next.as_ref().is_some_and(belongs);
        if !link.whole {
            return Ok((expected, if here_is_next { Break::Added } else { Break::Changed }));
        }
        if link.number == expected {
            // This one does not name the one before it. If the next one names this one, or a checkpoint does, it is
            // the other that is not the same any more; unless that is signed.
            let other = stands && self.head.number > self.proven();
            return Ok(if other { (self.head.number, Break::Rewritten) } else { (expected, Break::Changed) });
        }
        if follows(link, &self.head) {
            return Ok((expected, Break::Changed));
        }
        if link.number < expected {
            // Two of one number that both follow the same one: the next says which of them it was written after, and
            // either way this number has one too many.
            return Ok((link.number, Break::Added));
        }
        let mut later = next;
        while let Some(other) = later {
            if other.number == expected && other.whole {
                return Ok((expected, Break::Reordered));
            }
            later = self.lines.next_entry()?.0;
        }
        Ok((expected, Break::Dropped))
    }

    fn checkpoint(&mut self, note: &str) -> Result<(), Fault> {
        let Ok(checkpoint) = Checkpoint::open(note, self.key) else {
            return Err(self.broken(self.head.number, Break::Checkpoint).into());
        };
        let (signed, head) = (checkpoint.head, self.head);
        if signed.number > head.number {
            return Err(self.broken(self.expected(), Break::Dropped).into());
        }
        if signed.number < head.number {
            return Err(self.broken(signed.number.saturating_add(1), Break::Added).into());
        }
        if signed.hash != head.hash {
            return Err(self.broken(head.number, Break::Rewritten).into());
        }
        self.checkpoints += 1;
        self.signed = Some(checkpoint);
        Ok(())
    }

    fn end(self) -> Result<Report, Fault> {
        let at_end = |number, what| Broken { line: 0, ..self.broken(number, what) };
        if self.others.iter().any(|other| other.head.number > self.head.number) {
            return Err(at_end(self.expected(), Break::Truncated).into());
        }
        match self.signed {
            Some(ref signed) if signed.head == self.head => Ok(Report {
                origin: signed.origin.clone(),
                head: self.head,
                checkpoints: self.checkpoints,
                signed_at: signed.at,
            }),
            _ => Err(at_end(self.proven().saturating_add(1), Break::Unsigned).into()),
        }
    }
}
