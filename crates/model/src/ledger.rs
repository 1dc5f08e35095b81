//! The ledger's entries: what is on record for good, as canonical bytes in a chain of hashes.
//!
//! An [`Entry`] is one line of JSON without spaces, its members in the order in which they are declared here, and
//! those very bytes are what is kept, exported and hashed: nothing is written anew to be checked. The hash of an
//! entry is the SHA-256 of its bytes (as `sha256sum` prints it), and the next entry names it in `previous`. So
//! whoever holds one hash holds all that came before it.
//!
//! What is signed over the chain, and how an export is verified, is `trust::ledger`.
//!
//! Never in an entry: a token, a value of a plan or of a state, the message of a tool. Who wants more than codes
//! and digests looks at the run.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::record::StepRecord;
use crate::run::{EventKind, RunState, TaskResult};
use crate::{ActionKind, Code, CommitId, Digest, Fault, PrincipalName, RunId, TaskId, TaskState, UnitPath};

/// Largest entry, in bytes. An approval that names a thousand plans has 70 KiB.
pub const ENTRY_MAX_BYTES: usize = 256 * 1024;
/// Longest text of a caller's in an entry, in bytes.
const TEXT_MAX_BYTES: usize = 2048;

/// The newest entry of a chain: its number and its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many entries there are.
    pub number: u64,
    /// The hash of the last one.
    pub hash: Digest,
}

impl Head {
    /// Of a chain without entries: the hash is 64 zeros.
    pub const EMPTY: Head = Head { number: 0, hash: Digest::from_bytes([0; 32]) };

    /// The entry that comes next, as the bytes that are kept, and the chain's head with it.
    ///
    /// # Errors
    /// `PC-0900` for an entry over [`ENTRY_MAX_BYTES`]: what goes in is cut before.
    pub fn append(&self, at: Timestamp, record: &Record) -> Result<(Head, String), Fault> {
        #[derive(Serialize)]
        struct Next<'a> {
            number: u64,
            at: Timestamp,
            previous: Digest,
            record: &'a Record,
        }
        let number = self.number.saturating_add(1);
        let text = serde_json::to_string(&Next { number, at, previous: self.hash, record })
            .map_err(|error| Fault::internal(format!("an entry of the ledger cannot be written: {error}")))?;
        if text.len() > ENTRY_MAX_BYTES {
            return Err(Fault::internal(format!("an entry of the ledger has {} bytes", text.len())));
        }
        Ok((Head { number, hash: Digest::of(text.as_bytes()) }, text))
    }
}

/// An entry, read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Counts from 1, without a gap.
    pub number: u64,
    /// When (UTC).
    pub at: Timestamp,
    /// The hash of the entry before it; 64 zeros in the first.
    pub previous: Digest,
    /// What is on record.
    pub record: Record,
}

/// What an entry records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Record {
    /// The first entry of every ledger.
    Begun {
        /// How many decisions from before there was a ledger follow: they were not protected until now.
        taken_over: u64,
    },
    /// A runner was started over it.
    Started {
        /// The runner's version.
        version: String,
    },
    /// The gate decided about a request.
    Decision(Box<DecisionRecord>),
    /// Refusals that came too fast to be entries.
    LeftOut {
        /// How many.
        refusals: u64,
    },
    /// A fleet definition is in force from now on.
    DefinitionInForce {
        /// The commit that it was read from.
        commit: CommitId,
        /// Names what it says for this account.
        definition: Digest,
        /// What was in force before.
        replaced: Option<Digest>,
    },
    /// The definition at the head of the protected branch did not come into force.
    DefinitionRefused {
        /// The commit.
        commit: CommitId,
        /// Why.
        code: Code,
    },
    /// A plan was made and is kept.
    Plan {
        /// The run.
        run: RunId,
        /// The task.
        task: TaskId,
        /// The unit.
        unit: UnitPath,
        /// The commit it was made from.
        commit: CommitId,
        /// The plan.
        plan: Digest,
    },
    /// A task came into this state.
    Task {
        /// The run.
        run: RunId,
        /// The task.
        task: TaskId,
        /// The unit.
        unit: UnitPath,
        /// `applying` (an apply is about to begin), `held`, `succeeded`, `failed`, `blocked` or `cancelled`.
        state: String,
        /// The plan that it is about.
        plan: Option<Digest>,
        /// What was done, of one that succeeded.
        result: Option<TaskResult>,
        /// Why it failed.
        code: Option<Code>,
    },
    /// Plans were approved.
    Approved {
        /// The run.
        run: RunId,
        /// By whom.
        by: String,
        /// The plans.
        plans: Vec<Digest>,
    },
    /// A unit's state has a new version.
    State {
        /// The unit.
        unit: UnitPath,
        /// The task that wrote it.
        task: TaskId,
        /// The version's number in the store.
        version: i64,
        /// The state's own serial.
        serial: u64,
        /// Over the state as it was written.
        digest: Digest,
    },
    /// A run ended.
    RunEnded {
        /// The run.
        run: RunId,
        /// How.
        state: RunState,
    },
}

impl Record {
    /// The kind's name, as it is written.
    pub fn kind(&self) -> &'static str {
        match self {
            Record::Begun { .. } => "begun",
            Record::Started { .. } => "started",
            Record::Decision(_) => "decision",
            Record::LeftOut { .. } => "left-out",
            Record::DefinitionInForce { .. } => "definition-in-force",
            Record::DefinitionRefused { .. } => "definition-refused",
            Record::Plan { .. } => "plan",
            Record::Task { .. } => "task",
            Record::Approved { .. } => "approved",
            Record::State { .. } => "state",
            Record::RunEnded { .. } => "run-ended",
        }
    }
}

/// One decision of the gate, granted or not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// When (UTC).
    pub at: Timestamp,
    /// What was asked for: `plan`, `apply`, `approve`, `cancel`, …
    pub asked: String,
    /// The kind of action, where one was recognised.
    pub action: Option<ActionKind>,
    /// Whether it was granted.
    pub granted: bool,
    /// The code of the refusal.
    pub code: Option<Code>,
    /// Why, for people.
    pub reason: String,
    /// The token's issuer, once its signature held.
    pub issuer: Option<String>,
    /// The token's subject, once its signature held.
    pub subject: Option<String>,
    /// The token's id, once its signature held.
    pub token_id: Option<String>,
    /// The token that was refused, by its digest: it says nothing to who does not have the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Digest>,
    /// The principals that matched.
    pub principals: Vec<PrincipalName>,
    /// The repository that was named.
    pub repository: Option<String>,
    /// The ref that was named.
    pub reference: Option<String>,
    /// The run that was made or asked about.
    pub run: Option<RunId>,
    /// The plans that an approval names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plans: Vec<Digest>,
    /// The definition that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Digest>,
    /// How many refusals before this one came too fast to be entries.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl DecisionRecord {
    /// What comes from a caller, shortened to 2,048 bytes each, so that refusals cannot fill the disk faster than
    /// requests arrive.
    #[must_use]
    pub fn cut(&self) -> Self {
        let mut decision = self.clone();
        for text in [&mut decision.asked, &mut decision.reason] {
            cut(text);
        }
        let optional = [
            &mut decision.issuer,
            &mut decision.subject,
            &mut decision.token_id,
            &mut decision.repository,
            &mut decision.reference,
        ];
        for text in optional.into_iter().flatten() {
            cut(text);
        }
        decision
    }
}

fn cut(text: &mut String) {
    if text.len() > TEXT_MAX_BYTES {
        text.truncate(text.floor_char_boundary(TEXT_MAX_BYTES));
        text.push('…');
    }
}

/// What of a step of the engine is an effect, in order: what was begun, what it came to, what is held, who approved.
pub fn effects(step: &StepRecord) -> Vec<(Timestamp, Record)> {
    step.events.iter().filter_map(|(run, at, event)| Some((*at, effect(step, *run, event)?))).collect()
}

fn effect(step: &StepRecord, run: RunId, event: &EventKind) -> Option<Record> {
    match event {
        EventKind::Run { state, .. } => state.is_final().then_some(Record::RunEnded { run, state: *state }),
        EventKind::Approved { by, plans } => {
            let mut by = by.clone();
            cut(&mut by);
            Some(Record::Approved { run, by, plans: plans.clone() })
        }
        EventKind::Task { task, unit, state, .. } => {
            let of_task = || step.tasks.iter().find(|record| record.id == *task).and_then(|record| record.plan);
            let (plan, result) = match state {
                TaskState::Waiting | TaskState::Planning | TaskState::NeedsDestroy => return None,
                TaskState::Held { plan, .. } => (Some(*plan), None),
                TaskState::Succeeded { result } => (of_task(), Some(*result)),
                TaskState::Applying | TaskState::Failed { .. } | TaskState::Blocked { .. } | TaskState::Cancelled => {
                    (of_task(), None)
                }
            };
            let code = match state {
                TaskState::Failed { fault } => Some(fault.code()),
                _ => None,
            };
            let state = state.name().to_owned();
            Some(Record::Task { run, task: *task, unit: unit.clone(), state, plan, result, code })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(reason: &str) -> Record {
        Record::Decision(Box::new(DecisionRecord { reason: reason.into(), ..DecisionRecord::default() }))
    }

    #[test]
    fn an_entry_is_its_bytes_and_names_the_one_before_it() {
        let at = Timestamp::default();
        let (first, text) = Head::EMPTY.append(at, &Record::Begun { taken_over: 0 }).unwrap();
        let zeros = "0".repeat(64);
        assert_eq!(
            text,
            format!(
                r#"{{"number":1,"at":"1970-01-01T00:00:00Z","previous":"{zeros}","record":{{"kind":"begun","taken_over":0}}}}"#
            )
        );
        assert_eq!(first, Head { number: 1, hash: Digest::of(text.as_bytes()) });
        let (second, text) = first.append(at, &decision("it \"fits\"\n…")).unwrap();
        let entry: Entry = serde_json::from_str(&text).unwrap();
        assert_eq!((entry.number, entry.previous), (2, first.hash));
        assert_eq!(entry.record, decision("it \"fits\"\n…"));
        assert_eq!(first.append(at, &entry.record).unwrap(), (second, text), "the same bytes each time");
    }

    #[test]
    fn what_a_caller_sends_does_not_make_a_large_entry() {
        let long = "ü".repeat(100_000);
        let decision = DecisionRecord {
            asked: long.clone(),
            reason: long.clone(),
            subject: Some(long.clone()),
            reference: Some(long),
            ..DecisionRecord::default()
        };
        let cut = Record::Decision(Box::new(decision.cut()));
        let (_, text) = Head::EMPTY.append(Timestamp::default(), &cut).unwrap();
        assert!(text.len() < 10_000, "{}", text.len());
        let whole = Record::Decision(Box::new(decision));
        assert_eq!(Head::EMPTY.append(Timestamp::default(), &whole).unwrap_err().code(), Code::INTERNAL);
    }
}
