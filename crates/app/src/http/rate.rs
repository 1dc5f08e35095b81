//! How often one caller may ask: a bucket for each, in bounded memory.
//!
//! A bucket holds so many requests at once and fills at a steady rate (the generic cell rate algorithm, of which only
//! the time of the next even request is kept). Buckets that are full again are forgotten; when there are still too many,
//! those that are new share one.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Most buckets, of about 100 bytes each.
const BUCKETS_MAX: usize = 10_000;
/// The least time between two looks for buckets that can be forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How often something may be done by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// So often at once.
    pub burst: u32,
    /// So often in a second, for long. At least 1.
    pub per_second: u32,
}

/// A bucket for each key.
pub struct Buckets<K> {
    rate: Rate,
    state: Mutex<State<K>>,
}

struct State<K> {
    /// When each would be empty if it were asked evenly from now on.
    due: HashMap<K, Instant>,
    shared: Option<Instant>,
    swept: Option<Instant>,
}

impl<K: Eq + Hash> Buckets<K> {
    /// With this rate for each.
    pub fn new(rate: Rate) -> Self {
        Buckets { rate, state: Mutex::new(State { due: HashMap::new(), shared: None, swept: None }) }
    }

    /// Takes one out of a bucket. `false`: it is empty.
    pub fn take(&self, key: K, now: Instant) -> bool {
        let each = Duration::from_secs(1) / self.rate.per_second.max(1);
        let most = each.saturating_mul(self.rate.burst.saturating_sub(1));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.make_room(&key, now);
        let full = state.due.len() >= BUCKETS_MAX && !state.due.contains_key(&key);
        let due = if full { state.shared.get_or_insert(now) } else { state.due.entry(key).or_insert(now) };
        let begins = (*due).max(now);
        if begins.saturating_duration_since(now) > most {
            return false;
        }
        *due = begins + each;
        true
    }
}

impl<K: Eq + Hash> State<K> {
    fn make_room(&mut self, key: &K, now: Instant) {
        if self.due.len() < BUCKETS_MAX || self.due.contains_key(key) {
            return;
        }
        if self.swept.is_none_or(|at| now.saturating_duration_since(at) >= SWEEP_EVERY) {
            self.swept = Some(now);
            self.due.retain(|_, due| *due > now);
        }
    }
}

/// What an address counts as: a host has a whole IPv6 network of 64 bits to choose from.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6([a, b, c, d, 0, 0, 0, 0].into())
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_a_burst_and_fills_evenly() {
        let buckets = Buckets::new(Rate { burst: 3, per_second: 10 });
        let now = Instant::now();
        let after = |ms| now + Duration::from_millis(ms);
        let taken: Vec<bool> = (0..4).map(|_| buckets.take("a", now)).collect();
        assert_eq!(taken, [true, true, true, false]);
        assert!(buckets.take("b", now), "each has its own");
        assert!(!buckets.take("a", after(99)));
        assert!(buckets.take("a", after(100)) && !buckets.take("a", after(100)));
        let taken: Vec<bool> = (0..4).map(|_| buckets.take("a", after(60_000))).collect();
        assert_eq!(taken, [true, true, true, false], "it does not pile up");
    }

    #[test]
    fn a_million_callers_take_no_more_memory_than_ten_thousand() {
        let buckets = Buckets::new(Rate { burst: 2, per_second: 1 });
        let now = Instant::now();
        let taken = (0..1_000_000u32).filter(|key| buckets.take(*key, now)).count();
        // Those that came when there was no room share a bucket.
        assert_eq!(taken, BUCKETS_MAX + 2);
        assert_eq!(buckets.state.lock().unwrap().due.len(), BUCKETS_MAX);
        assert!(buckets.take(5, now), "who was there keeps its own");
        // Once the others are full again there is room.
        assert!(buckets.take(2_000_000, now + Duration::from_secs(10)));
        assert_eq!(buckets.state.lock().unwrap().due.len(), 1);
    }

    #[test]
    fn a_network_of_one_host_is_one_caller() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::"));
        assert_ne!(network("2001:db8:1:2::"), network("2001:db8:1:3::"));
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
