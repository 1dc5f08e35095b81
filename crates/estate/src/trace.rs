//! What an evaluation asked of the tree, and what the answers were.
//!
//! An evaluation is a function of its settings and of these answers. So at another commit, where the answers are the
//! same, its result is the same. Every question counts, also one whose answer was that nothing is there. A
//! [`Fact`] is shared by all evaluations that rest on it, and is checked once for each commit.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_model::{Digest, Fault};

use crate::source::{ContentId, Look, Source};

/// A question together with its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub(crate) enum Answer {
    /// What is at the path.
    Look(Look),
    /// What the file or link at the path holds.
    Content(Option<ContentId>),
    /// What the folder lists.
    Names(Option<Digest>),
    /// All below the folder.
    Tree(Option<ContentId>),
}

impl Answer {
    /// Asks the same question again.
    fn again(self, source: &dyn Source, path: &str) -> Result<Answer, Fault> {
        Ok(match self {
            Answer::Look(_) => Answer::Look(source.look(path)?),
            Answer::Content(_) => Answer::Content(source.id(path)?),
            Answer::Names(_) => Answer::Names(source.names(path)?),
            Answer::Tree(_) => Answer::Tree(source.tree(path)?),
        })
    }
}

/// Something that an evaluation learnt of the tree.
#[derive(Debug)]
pub(crate) struct Fact {
    pub(crate) path: Box<str>,
    pub(crate) answer: Answer,
    /// The tree that it was last checked with, and whether it holds there: `tree << 1 | holds`.
    checked: AtomicU64,
}

impl Fact {
    pub(crate) fn new(path: Box<str>, answer: Answer) -> Self {
        Fact { path, answer, checked: AtomicU64::new(0) }
    }

    /// Whether it holds in a tree. A tree that cannot be read gives no answer, and nothing holds there.
    pub(crate) fn holds(&self, tree: TreeNumber, source: &dyn Source) -> bool {
        let checked = self.checked.load(Ordering::Relaxed);
        if checked >> 1 == tree.0 {
            return checked & 1 == 1;
        }
        let holds = self.answer.again(source, &self.path).is_ok_and(|answer| answer == self.answer);
        // Tree and outcome are one number, so whoever reads it reads both or neither.
        self.checked.store(tree.0 << 1 | u64::from(holds), Ordering::Relaxed);
        holds
    }
}

impl PartialEq for Fact {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.answer == other.answer
    }
}

impl Eq for Fact {}

impl Hash for Fact {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.path.hash(state);
        self.answer.hash(state);
    }
}

/// Stands for one source while it is used: no two have the same in one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TreeNumber(u64);

impl TreeNumber {
    /// One that was never given out.
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        TreeNumber(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What is noted while something is evaluated.
#[derive(Debug, Default, Clone)]
pub(crate) struct Trace {
    facts: HashSet<(Arc<str>, Answer)>,
    /// Whether a question had no answer: the result must not be used again.
    broken: bool,
}

impl Trace {
    pub(crate) fn note(&mut self, path: &str, answer: Answer) {
        self.facts.insert((path.into(), answer));
    }

    pub(crate) fn note_broken(&mut self) {
        self.broken = true;
    }

    /// Adds what something rests on that this rests on.
    pub(crate) fn include(&mut self, other: &Trace) {
        self.facts.extend(other.facts.iter().cloned());
        self.broken |= other.broken;
    }

    /// All that was noted, unless the result must not be used again.
    pub(crate) fn into_facts(self) -> Option<Vec<Fact>> {
        let fact = |(path, answer): (Arc<str>, Answer)| Fact::new(Box::from(&*path), answer);
        (!self.broken).then(|| self.facts.into_iter().map(fact).collect())
    }
}
