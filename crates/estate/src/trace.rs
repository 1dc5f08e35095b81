//! What an evaluation asked of the tree, and what the answers were.
//!
//! An evaluation is a function of its settings and of these answers. So at another commit, where the answers are the
//! same, its result is the same. Every question counts, also one whose answer was that nothing is there. A
//! [`Fact`] is shared by all evaluations that rest on it, and is checked once for each commit.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::{Equivalent, HashSet};
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
    pub(crate) path: Arc<str>,
    pub(crate) answer: Answer,
    /// The tree that it was last checked with, and whether it holds there: `tree << 1 | holds`.
    checked: AtomicU64,
}

impl Fact {
    pub(crate) fn new(path: Arc<str>, answer: Answer) -> Self {
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
        (&*self.path, self.answer).hash(state);
    }
}

/// A fact that is looked for, before one is made of it.
#[derive(Hash)]
struct Sought<'f>(&'f str, Answer);

impl Equivalent<Arc<Fact>> for Sought<'_> {
    fn equivalent(&self, fact: &Arc<Fact>) -> bool {
        *self.0 == *fact.path && self.1 == fact.answer
    }
}

impl Equivalent<(Arc<str>, Answer)> for Sought<'_> {
    fn equivalent(&self, (path, answer): &(Arc<str>, Answer)) -> bool {
        *self.0 == **path && self.1 == *answer
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
#[derive(Debug, Default)]
pub(crate) struct Trace {
    facts: HashSet<(Arc<str>, Answer)>,
    /// What parts rest on whose results are used by several evaluations.
    parts: Vec<Arc<Trace>>,
    /// Whether a question had no answer: the result must not be used again.
    broken: bool,
}

impl Trace {
    pub(crate) fn note(&mut self, path: &str, answer: Answer) {
        if !self.facts.contains(&Sought(path, answer)) {
            self.facts.insert((path.into(), answer));
        }
    }

    pub(crate) fn note_broken(&mut self) {
        self.broken = true;
    }

    /// Adds what something rests on that this rests on. Says whether it was not there already.
    pub(crate) fn include(&mut self, part: &Arc<Trace>) -> bool {
        self.broken |= part.broken;
        let fresh = !self.parts.iter().any(|known| Arc::ptr_eq(known, part));
        if fresh {
            self.parts.push(Arc::clone(part));
        }
        fresh
    }

    /// Whether nothing was asked.
    pub(crate) fn is_empty(&self) -> bool {
        self.facts.is_empty() && self.parts.is_empty() && !self.broken
    }

    /// Whether a question had no answer.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }
}

/// What a result rests on: facts, and what parts of it rest on that other results share.
#[derive(Debug)]
pub(crate) struct Basis {
    pub(crate) facts: Box<[Arc<Fact>]>,
    pub(crate) parts: Box<[Arc<Basis>]>,
    /// As [`Fact::checked`]. Parts are checked once for each tree, not once for each result that rests on them.
    checked: AtomicU64,
}

impl Basis {
    pub(crate) fn new(facts: Box<[Arc<Fact>]>, parts: Box<[Arc<Basis>]>) -> Self {
        Basis { facts, parts, checked: AtomicU64::new(0) }
    }

    /// Whether every fact holds in a tree.
    pub(crate) fn holds(&self, tree: TreeNumber, source: &dyn Source) -> bool {
        let checked = self.checked.load(Ordering::Relaxed);
        if checked >> 1 == tree.0 {
            return checked & 1 == 1;
        }
        let holds = self.facts.iter().all(|fact| fact.holds(tree, source))
            && self.parts.iter().all(|part| part.holds(tree, source));
        self.checked.store(tree.0 << 1 | u64::from(holds), Ordering::Relaxed);
        holds
    }
}

/// Facts and parts, each held once however many results rest on it.
#[derive(Default)]
pub(crate) struct Interned {
    facts: HashSet<Arc<Fact>>,
    /// By what is in them, all of it interned.
    parts: HashMap<PartKey, Arc<Basis>>,
    sweep_at: usize,
}

/// Addresses of interned facts and parts, sorted: they stay while the part that is made of them does.
type PartKey = (Box<[usize]>, Box<[usize]>);
/// Bases that were made of traces, by the address of the trace, which it holds so that the address stays its own.
pub(crate) type PartsMade = HashMap<*const Trace, (Arc<Trace>, Option<Arc<Basis>>)>;

/// Facts are looked through for those that nothing rests on when there are this many more.
const SWEEP: usize = 4096;

impl Interned {
    /// What a trace says, unless the result must not be used again. `made` is what was made of its parts before.
    pub(crate) fn basis(&mut self, trace: &Trace, made: &mut PartsMade) -> Option<Basis> {
        if trace.broken {
            return None;
        }
        let parts = trace.parts.iter().map(|part| self.part(part, made)).collect::<Option<Vec<_>>>()?;
        let mut facts: Vec<Arc<Fact>> = trace.facts.iter().map(|(path, answer)| self.fact(path, *answer)).collect();
        // What few rest on is what changes: asked first, it saves asking the others.
        facts.sort_by_key(Arc::strong_count);
        Some(Basis::new(facts.into(), parts.into()))
    }

    fn part(&mut self, trace: &Arc<Trace>, made: &mut PartsMade) -> Option<Arc<Basis>> {
        if let Some((_, known)) = made.get(&Arc::as_ptr(trace)) {
            return known.clone();
        }
        let basis = self.basis(trace, made).map(|basis| self.shared(basis.facts, basis.parts));
        made.insert(Arc::as_ptr(trace), (Arc::clone(trace), basis.clone()));
        basis
    }

    /// The part of these facts and parts, which are interned.
    pub(crate) fn shared(&mut self, facts: Box<[Arc<Fact>]>, parts: Box<[Arc<Basis>]>) -> Arc<Basis> {
        let mut key: PartKey = (
            facts.iter().map(|fact| Arc::as_ptr(fact).addr()).collect(),
            parts.iter().map(|part| Arc::as_ptr(part).addr()).collect(),
        );
        key.0.sort_unstable();
        key.1.sort_unstable();
        Arc::clone(self.parts.entry(key).or_insert_with(|| Arc::new(Basis::new(facts, parts))))
    }

    /// A fact.
    pub(crate) fn fact(&mut self, path: &Arc<str>, answer: Answer) -> Arc<Fact> {
        if let Some(known) = self.facts.get(&Sought(path, answer)) {
            return Arc::clone(known);
        }
        let fact = Arc::new(Fact::new(Arc::clone(path), answer));
        self.facts.insert(Arc::clone(&fact));
        fact
    }

    /// Lets go of what nothing rests on any more.
    pub(crate) fn sweep(&mut self) {
        if self.facts.len() + self.parts.len() <= self.sweep_at {
            return;
        }
        // Parts hold parts: those on top go first.
        loop {
            let before = self.parts.len();
            self.parts.retain(|_, part| Arc::strong_count(part) > 1);
            if self.parts.len() == before {
                break;
            }
        }
        self.facts.retain(|fact| Arc::strong_count(fact) > 1);
        self.sweep_at = (self.facts.len() + self.parts.len()) * 2 + SWEEP;
    }
}
