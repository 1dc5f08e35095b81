//! Exports of ledgers that somebody changed: what was done is found, and the entry is named.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::sync::LazyLock;

use jiff::Timestamp;
use portcullis_model::ledger::{DecisionRecord, Head, Record};
use portcullis_model::{Code, Digest, Fault};
use portcullis_trust::ledger::{Checkpoint, Report, SigningKey, checkpoint_line, entry_line, verify};
use proptest::prelude::*;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate("portcullis/dev").unwrap());

/// A ledger with a checkpoint after every so many entries and at its end. A line is an entry's text or a note.
#[derive(Debug, Clone)]
struct Ledger {
    lines: Vec<Line>,
    heads: Vec<Head>,
}

#[derive(Debug, Clone, PartialEq)]
enum Line {
    Entry(String),
    Checkpoint(String),
}

fn decision(number: u64) -> Record {
    let reason = format!("reason {number} ü \"quoted\"");
    Record::Decision(Box::new(DecisionRecord { reason, ..DecisionRecord::default() }))
}

fn ledger(entries: u64, every: u64) -> Ledger {
    let (mut head, mut lines, mut heads) = (Head::EMPTY, Vec::new(), vec![Head::EMPTY]);
    for number in 1..=entries {
        let (next, text) = head.append(Timestamp::UNIX_EPOCH, &decision(number)).unwrap();
        head = next;
        heads.push(head);
        lines.push(Line::Entry(text));
        if number % every == 0 || number == entries {
            lines.push(Line::Checkpoint(Checkpoint::sign(head, Timestamp::UNIX_EPOCH, &KEY)));
        }
    }
    Ledger { lines, heads }
}

impl Ledger {
    /// Where an entry's line is.
    fn at(&self, number: usize) -> usize {
        let entries = self.lines.iter().enumerate().filter(|(_, line)| matches!(line, Line::Entry(_)));
        entries.map(|(at, _)| at).nth(number - 1).unwrap()
    }

    fn text(&mut self, number: usize) -> &mut String {
        let at = self.at(number);
        match &mut self.lines[at] {
            Line::Entry(text) => text,
            Line::Checkpoint(_) => unreachable!(),
        }
    }

    /// With the hashes as they are now: what somebody would write who can count.
    fn export(&self) -> String {
        let line = |line: &Line| match line {
            Line::Entry(text) => entry_line(text, &Digest::of(text.as_bytes())),
            Line::Checkpoint(note) => checkpoint_line(note),
        };
        self.lines.iter().map(|each| line(each) + "\n").collect()
    }

    fn verify(&self, others: &[Checkpoint]) -> Result<Report, Fault> {
        verify(&mut self.export().as_bytes(), KEY.verifying(), others)
    }

    /// The message of what is wrong.
    fn wrong(&self) -> String {
        wrong(self.verify(&[]))
    }

    fn note(&self, number: usize) -> Checkpoint {
        let note = Checkpoint::sign(self.heads[number], Timestamp::UNIX_EPOCH, &KEY);
        Checkpoint::open(&note, KEY.verifying()).unwrap()
    }
}

fn wrong(verified: Result<Report, Fault>) -> String {
    let fault = verified.unwrap_err();
    assert_eq!(fault.code(), Code::LEDGER_BROKEN, "{fault}");
    fault.message().strip_prefix("the ledger is not what was signed: ").unwrap().to_owned()
}

#[test]
fn a_ledger_that_is_whole_verifies() {
    let whole = ledger(25, 10);
    let report = whole.verify(&[whole.note(7), whole.note(20), whole.note(25)]).unwrap();
    assert_eq!((report.head, report.checkpoints), (whole.heads[25], 3));
    assert_eq!(report.origin, "portcullis/dev");
    let other = SigningKey::generate("portcullis/dev").unwrap();
    let refused = verify(&mut whole.export().as_bytes(), other.verifying(), &[]);
    assert_eq!(wrong(refused), "the checkpoint after entry 10 does not hold (line 11)");
}

#[test]
fn the_end_has_to_be_signed_and_a_cut_shows_beside_an_older_checkpoint() {
    let whole = ledger(25, 10);
    let mut cut = whole.clone();
    cut.lines.truncate(cut.at(24));
    assert_eq!(cut.wrong(), "entry 21 and what follows is under no checkpoint: added, or cut off after it");
    // Cut where a checkpoint is: nothing in it says so, one that was kept elsewhere does.
    cut.lines.truncate(cut.at(21));
    cut.verify(&[cut.note(20)]).unwrap();
    let message = wrong(cut.verify(&[whole.note(23)]));
    assert_eq!(message, "entry 21 was there when the other checkpoint was signed, and was dropped");
    assert_eq!(wrong(verify(&mut &b""[..], KEY.verifying(), &[])).split(' ').nth(1), Some("1"));
}

#[test]
fn who_has_the_key_is_shown_by_a_checkpoint_that_was_kept_elsewhere() {
    let (before, mut after) = (ledger(25, 10), ledger(25, 10));
    let mut head = after.heads[12];
    let at = after.at(13);
    after.lines.truncate(at);
    for number in 13..=25 {
        let (next, text) = head.append(Timestamp::UNIX_EPOCH, &decision(number + 1000)).unwrap();
        head = next;
        after.lines.push(Line::Entry(text));
    }
    after.lines.push(Line::Checkpoint(Checkpoint::sign(head, Timestamp::UNIX_EPOCH, &KEY)));
    after.verify(&[]).unwrap();
    let message = wrong(after.verify(&[before.note(20)]));
    assert_eq!(message, "entry 20 was changed, or entries from 11 to 20 were written anew (line 21)");
    // Without the key, the chain made anew does not fit the checkpoints that are in it.
    after.lines.insert(after.at(21), Line::Checkpoint(Checkpoint::sign(before.heads[20], Timestamp::UNIX_EPOCH, &KEY)));
    assert_eq!(after.wrong(), "entry 20 was changed, or entries from 11 to 20 were written anew (line 22)");
}

#[test]
fn lines_that_are_none_are_named() {
    for line in ["", "{}", "null", "[1]", r#"{"entry":{"number":1}}"#, r#"{"checkpoint":"x","hash":"y"}"#, "\u{0}"] {
        let message = wrong(verify(&mut format!("{line}\n").as_bytes(), KEY.verifying(), &[]));
        assert_eq!(message, "entry 1 cannot be read (line 1)", "{line}");
    }
    let long = format!("{{\"checkpoint\":\"{}\"}}\n", "x".repeat(1 << 20));
    assert_eq!(wrong(verify(&mut long.as_bytes(), KEY.verifying(), &[])), "entry 1 cannot be read (line 1)");
    let deep = format!("{{\"entry\":{}", "[".repeat(100_000));
    assert_eq!(wrong(verify(&mut deep.as_bytes(), KEY.verifying(), &[])), "entry 1 cannot be read (line 1)");
}

/// Size of a ledger, how often it is signed, an entry of it and another one.
fn sizes() -> impl Strategy<Value = (u64, u64, usize, usize)> {
    (2u64..40, 1u64..12).prop_flat_map(|(entries, every)| {
        let most = usize::try_from(entries).unwrap();
        (Just(entries), Just(every), 1..=most, 1..=most)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_changed_byte_is_found((entries, every, number, _) in sizes(), at in any::<prop::sample::Index>(), to in any::<char>()) {
        let whole = ledger(entries, every);
        let mut characters: Vec<char> = whole.clone().text(number).chars().collect();
        let index = at.index(characters.len());
        prop_assume!(characters[index] != to);
        characters[index] = to;
        let text: String = characters.into_iter().collect();
        // The hash is the one that was there.
        let original = whole.clone().text(number).clone();
        let hash = Digest::of(original.as_bytes());
        let export = whole.export().replace(&entry_line(&original, &hash), &entry_line(&text, &hash));
        let message = wrong(verify(&mut export.as_bytes(), KEY.verifying(), &[]));
        prop_assert!(message.starts_with(&format!("entry {number} ")), "{}", message);
    }

    /// By somebody who makes its hash fit. Where a checkpoint follows at once, those before it are in doubt as well.
    #[test]
    fn a_changed_entry_with_a_new_hash_is_found((entries, every, number, _) in sizes()) {
        let mut changed = ledger(entries, every);
        let text = changed.text(number);
        *text = text.replace("reason", "excuse");
        let message = changed.wrong();
        prop_assert!(message.starts_with(&format!("entry {number} was changed")), "{}", message);
    }

    #[test]
    fn a_changed_place_with_a_new_hash_is_found((entries, every, number, to) in sizes()) {
        let mut changed = ledger(entries, every);
        prop_assume!(number != to);
        let text = changed.text(number);
        *text = text.replacen(&format!("\"number\":{number},"), &format!("\"number\":{to},"), 1);
        prop_assert!(changed.wrong().starts_with(&format!("entry {number} was changed")), "{}", changed.wrong());
    }

    #[test]
    fn a_dropped_entry_is_found((entries, every, number, _) in sizes()) {
        let mut dropped = ledger(entries, every);
        dropped.lines.remove(dropped.at(number));
        prop_assert!(dropped.wrong().starts_with(&format!("entry {number} was dropped")), "{}", dropped.wrong());
    }

    #[test]
    fn reordered_entries_are_found((entries, every, one, other) in sizes()) {
        prop_assume!(one != other);
        let mut swapped = ledger(entries, every);
        let (a, b) = (swapped.at(one), swapped.at(other));
        swapped.lines.swap(a, b);
        let first = one.min(other);
        prop_assert!(swapped.wrong().starts_with(&format!("entry {first} is not in its place")), "{}", swapped.wrong());
    }

    #[test]
    fn a_copied_entry_is_found((entries, every, number, place) in sizes()) {
        let mut copied = ledger(entries, every);
        let line = copied.lines[copied.at(number)].clone();
        // After entry `place`; before its own place it would be a reordering.
        prop_assume!(place >= number);
        copied.lines.insert(copied.at(place) + 1, line);
        prop_assert!(copied.wrong().starts_with(&format!("entry {number} was added")), "{}", copied.wrong());
    }

    /// A made-up entry that follows the one before it and has a hash that fits.
    #[test]
    fn an_added_entry_is_found((entries, every, number, _) in sizes()) {
        let mut added = ledger(entries, every);
        let (_, text) = added.heads[number - 1].append(Timestamp::UNIX_EPOCH, &decision(1_000_000)).unwrap();
        added.lines.insert(added.at(number), Line::Entry(text));
        prop_assert!(added.wrong().starts_with(&format!("entry {number} was added")), "{}", added.wrong());
    }

    #[test]
    fn an_entry_at_the_end_is_found((entries, every, _, _) in sizes(), before_checkpoint in any::<bool>()) {
        let mut added = ledger(entries, every);
        let (_, text) = added.heads.last().unwrap().append(Timestamp::UNIX_EPOCH, &decision(1_000_000)).unwrap();
        let at = added.lines.len() - usize::from(before_checkpoint);
        added.lines.insert(at, Line::Entry(text));
        let message = added.wrong();
        prop_assert!(message.starts_with(&format!("entry {} ", entries + 1)) && message.contains("added"), "{}", message);
    }

    #[test]
    fn a_cut_is_found_beside_any_checkpoint_of_what_is_gone((entries, every, upto, kept) in sizes()) {
        prop_assume!(kept > upto);
        let whole = ledger(entries, every);
        let mut cut = whole.clone();
        cut.lines.truncate(cut.at(upto) + 1);
        cut.lines.push(Line::Checkpoint(Checkpoint::sign(whole.heads[upto], Timestamp::UNIX_EPOCH, &KEY)));
        cut.verify(&[]).unwrap();
        let message = wrong(cut.verify(&[whole.note(kept)]));
        prop_assert!(message.starts_with(&format!("entry {} was there", upto + 1)), "{}", message);
    }
}
