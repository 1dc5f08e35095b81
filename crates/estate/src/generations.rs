//! [`Generations`]: a map that is bounded in bytes and forgets what was not asked for in a while.
//!
//! Two maps: a young one that is filled, an old one that is only read. When the young one has half of the bytes
//! it becomes the old one, and what was old is gone. What is asked for moves to the young one, so what everybody
//! uses stays, however much passes through that is used once.

use std::hash::Hash;

use hashbrown::HashMap;

/// What a map lets go of: values, and what each takes.
pub(crate) type Gone<K, V> = HashMap<K, (V, usize)>;

/// A bounded map of values that are cheap to clone.
#[derive(Debug)]
pub(crate) struct Generations<K, V> {
    young: HashMap<K, (V, usize)>,
    old: HashMap<K, (V, usize)>,
    /// Of the young ones.
    bytes: usize,
    limit: usize,
}

impl<K: Hash + Eq, V: Clone> Generations<K, V> {
    /// Empty, for at most `bytes` of values.
    pub(crate) fn new(bytes: usize) -> Self {
        Generations { young: HashMap::new(), old: HashMap::new(), bytes: 0, limit: bytes / 2 }
    }

    /// A value, which stays longer for having been asked for.
    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        if let Some((value, _)) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, (value, bytes)) = self.old.remove_entry(key)?;
        drop(self.insert(key, value.clone(), bytes));
        Some(value)
    }

    /// Keeps a value of `bytes`, unless it is larger than all that may be kept. What is let go for it is handed out, to
    /// be dropped when no lock is held: it may be much.
    pub(crate) fn insert(&mut self, key: K, value: V, bytes: usize) -> Gone<K, V> {
        let mut gone = Gone::default();
        if bytes > self.limit {
            return gone;
        }
        if self.bytes.saturating_add(bytes) > self.limit {
            gone = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            self.bytes = 0;
        }
        self.bytes += bytes;
        if let Some((_, before)) = self.young.insert(key, (value, bytes)) {
            self.bytes -= before;
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let mut map = Generations::new(100);
        map.insert(0, "shared", 10);
        for key in 1..1000 {
            map.insert(key, "once", 10);
            assert_eq!(map.get(&0), Some("shared"), "after {key}");
        }
        assert_eq!(map.get(&1), None);
        assert!(map.young.len() + map.old.len() <= 10);
        map.insert(1000, "too large", 51);
        assert_eq!(map.get(&1000), None);
        // Replacing a value does not count twice.
        for _ in 0..100 {
            map.insert(0, "shared", 10);
        }
        assert!(map.bytes <= 50);
    }
}
