//! User ids for sandboxes: one for each at a time, from a range that belongs to this executor.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_model::{Code, Fault};

/// First id of the usual range: far above what people and systems use, below what is not a valid id.
const FAR: u32 = 0x4000_0000;
/// Ids per executor in the far range, and executors.
const FAR_SLOT: u32 = 0x1000;
const FAR_SLOTS: u64 = 0x4_0000;
/// The same for a host (a container) that has only the first 65,536 ids.
const NEAR: u32 = 20_000;
const NEAR_SLOT: u32 = 64;
const NEAR_SLOTS: u64 = 600;

/// Chooses a range. `hash` spreads executors on one machine; `map` is the text of `/proc/self/uid_map`.
pub(crate) fn choose(hash: u64, map: &str) -> Option<Range<u32>> {
    let slot = |first: u32, size: u32, slots: u64| {
        let start = first + u32::try_from(hash % slots).unwrap_or(0) * size;
        start..start + size
    };
    [slot(FAR, FAR_SLOT, FAR_SLOTS), slot(NEAR, NEAR_SLOT, NEAR_SLOTS)].into_iter().find(|range| covers(map, range))
}

/// Whether all ids of a range exist in this user namespace.
pub(crate) fn covers(map: &str, range: &Range<u32>) -> bool {
    map.lines().any(|line| {
        let mut fields = line.split_whitespace().map(|field| field.parse::<u64>().ok());
        let (Some(Some(first)), _, Some(Some(count))) = (fields.next(), fields.next(), fields.next()) else {
            return false;
        };
        first <= u64::from(range.start) && u64::from(range.end) <= first + count
    })
}

/// The ids of one executor.
#[derive(Debug)]
pub(crate) enum Uids {
    /// The runner is no root: all sandboxes have its own id, and are apart by their namespaces.
    Own(u32),
    /// One for each sandbox.
    Range(Arc<Pool>),
}

#[derive(Debug)]
pub(crate) struct Pool {
    range: Range<u32>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    next: u32,
    taken: BTreeSet<u32>,
}

/// An id in use; given back when dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    uid: u32,
    pool: Option<Arc<Pool>>,
}

impl Uids {
    pub(crate) fn range(range: Range<u32>) -> Self {
        let state = Mutex::new(State { next: range.start, taken: BTreeSet::new() });
        Uids::Range(Arc::new(Pool { range, state }))
    }

    /// Takes the id that was free for longest.
    pub(crate) fn take(&self) -> Result<Lease, Fault> {
        let pool = match self {
            Uids::Own(uid) => return Ok(Lease { uid: *uid, pool: None }),
            Uids::Range(pool) => pool,
        };
        let mut state = pool.state.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in pool.range.clone() {
            let uid = state.next;
            state.next = if uid + 1 < pool.range.end { uid + 1 } else { pool.range.start };
            if state.taken.insert(uid) {
                return Ok(Lease { uid, pool: Some(pool.clone()) });
            }
        }
        Err(Fault::new(Code::BUSY, "every user id for sandboxes is taken"))
    }
}

impl Lease {
    pub(crate) fn uid(&self) -> u32 {
        self.uid
    }

    /// Whether the id is another than the runner's.
    pub(crate) fn is_own(&self) -> bool {
        self.pool.is_some()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            pool.state.lock().unwrap_or_else(PoisonError::into_inner).taken.remove(&self.uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sandboxes_never_share_an_id_and_a_free_one_is_used_last() {
        let uids = Uids::range(10..12);
        let (one, two) = (uids.take().unwrap(), uids.take().unwrap());
        assert_eq!((one.uid(), two.uid()), (10, 11));
        assert_eq!(uids.take().unwrap_err().code(), Code::BUSY);
        drop(two);
        assert_eq!(uids.take().unwrap().uid(), 11);
    }

    #[test]
    fn a_range_exists_on_the_host_or_is_not_chosen() {
        let far = choose(7, "0 0 4294967295").unwrap();
        assert_eq!(far, FAR + 7 * FAR_SLOT..FAR + 8 * FAR_SLOT);
        assert!(choose(u64::MAX, "0 100000 65536").unwrap().end < 65_534);
        assert_eq!(choose(7, "0 1000 1"), None);
    }
}
