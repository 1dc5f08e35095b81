//! Decisions on record. Granted ones all; refusals as long as they do not come in floods.
//!
//! A refusal costs a caller nothing and the runner a row. So each kind of caller has a budget of rows; what is
//! over it is counted, and the count is part of the next row, or of a row of its own at the ledger's next checkpoint.
//! What is granted is never left out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use portcullis_model::{Code, Fault};
use portcullis_store::DecisionRecord;

use super::entry::Gate;

/// Rows at once, and the time after which there is room for one more: for callers whose token does not hold.
const STRANGERS: (u32, Duration) = (100, Duration::from_secs(10));
/// The same for callers whose token holds.
const VERIFIED: (u32, Duration) = (500, Duration::from_secs(2));

/// How many refusals are put on record. Clones count together.
#[derive(Clone)]
pub struct Refusals {
    strangers: Arc<Mutex<Budget>>,
    verified: Arc<Mutex<Budget>>,
}

impl Default for Refusals {
    fn default() -> Self {
        let budget = |of| Arc::new(Mutex::new(Budget::new(of)));
        Refusals { strangers: budget(STRANGERS), verified: budget(VERIFIED) }
    }
}

impl Refusals {
    /// How many were left out since the last one that is on record.
    pub fn take_left_out(&self) -> u64 {
        let take = |budget: &Mutex<Budget>| std::mem::take(&mut lock(budget).left_out);
        take(&self.strangers).saturating_add(take(&self.verified))
    }
}

fn lock(budget: &Mutex<Budget>) -> MutexGuard<'_, Budget> {
    budget.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A token bucket that counts what it lets fall.
struct Budget {
    most: u32,
    each: Duration,
    left: u32,
    filled: Instant,
    left_out: u64,
}

impl Budget {
    fn new((most, each): (u32, Duration)) -> Self {
        Budget { most, each, left: most, filled: Instant::now(), left_out: 0 }
    }

    /// Room for one row: how many were left out before it. `None`: this one is left out as well.
    fn take(&mut self, now: Instant) -> Option<u64> {
        let since = now.saturating_duration_since(self.filled);
        let more = u32::try_from(since.as_nanos() / self.each.as_nanos().max(1)).unwrap_or(u32::MAX);
        if more > 0 {
            self.left = self.left.saturating_add(more).min(self.most);
            self.filled = now;
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Some(std::mem::take(&mut self.left_out))
            }
            None => {
                self.left_out = self.left_out.saturating_add(1);
                None
            }
        }
    }
}

impl Gate {
    /// Records a refusal. One that cannot be recorded stays a refusal.
    pub(super) async fn refused(&self, mut decision: DecisionRecord, fault: Fault) -> Fault {
        decision.granted = false;
        decision.code = Some(fault.code());
        if decision.reason.is_empty() || !matches!(fault.code(), Code::DENIED | Code::NOT_AN_APPROVER) {
            decision.reason = fault.message().to_owned();
        }
        let budget = if decision.subject.is_some() { &self.refusals.verified } else { &self.refusals.strangers };
        let room = lock(budget).take(Instant::now());
        let Some(left_out) = room else {
            tracing::debug!(code = %fault.code(), asked = %decision.asked, "refused, and left out of the record");
            return fault;
        };
        decision.left_out = left_out;
        if let Err(failed) = self.store.decision_insert(&decision).await {
            tracing::error!(code = %failed.code(), "a refusal could not be recorded: {failed}");
        }
        tracing::info!(code = %fault.code(), asked = %decision.asked, "refused: {}", decision.reason);
        fault
    }
}

/// A decision of which nothing is known yet.
pub(super) fn blank(at: Timestamp, asked: &str) -> DecisionRecord {
    DecisionRecord { at, asked: asked.to_owned(), ..DecisionRecord::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_not_recorded() {
        let start = Instant::now();
        let mut budget = Budget { filled: start, ..Budget::new((3, Duration::from_secs(10))) };
        let taken: Vec<_> = (0..5).map(|_| budget.take(start)).collect();
        assert_eq!(taken, [Some(0), Some(0), Some(0), None, None]);
        assert_eq!(budget.take(start + Duration::from_secs(9)), None);
        assert_eq!(budget.take(start + Duration::from_secs(10)), Some(3), "what was left out is said once");
        assert_eq!(budget.take(start + Duration::from_secs(10)), None);
        let much_later = start + Duration::from_secs(86_400);
        let taken: Vec<_> = (0..4).map(|_| budget.take(much_later)).collect();
        assert_eq!(taken, [Some(1), Some(0), Some(0), None], "room does not pile up");
    }
}
