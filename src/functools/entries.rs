//! What a cache knows, in the order in which it was last asked for.

use crate::sync::OnceCell;
use lru::LruCache;
use std::{cell::Cell, hash::Hash, rc::Rc, time::Instant};

/// One value that is there, or being made.
pub(super) struct Entry<V> {
    pub(super) value: OnceCell<V>,
    /// When it was made.
    pub(super) made: Cell<Option<Instant>>,
}

impl<V> Entry<V> {
    fn new() -> Rc<Self> {
        Rc::new(Self { value: OnceCell::new(), made: Cell::new(None) })
    }
}

type Map<K, V> = LruCache<K, Rc<Entry<V>>>;

/// The entries. Comparing and hashing keys, and dropping keys and values, is users' code and may come back here: so the
/// map is taken out while it is worked on, and what comes meanwhile finds none.
pub(super) struct Entries<K, V>(Cell<Option<Map<K, V>>>);

/// Puts the map back, also after a panic.
struct Working<'a, K, V> {
    place: &'a Cell<Option<Map<K, V>>>,
    map: Option<Map<K, V>>,
}

impl<K, V> Drop for Working<'_, K, V> {
    fn drop(&mut self) {
        let ours = self.map.take();
        // What a `clear` has left meanwhile stays; what was known before it goes, when all is in order.
        let known = match self.place.take() {
            Some(cleared) => (Some(cleared), ours),
            None => (ours, None),
        };
        self.place.set(known.0);
        drop(known.1);
    }
}

impl<K: Hash + Eq, V> Entries<K, V> {
    pub(super) fn new() -> Self {
        Self(Cell::new(Some(LruCache::unbounded())))
    }

    fn work<R>(&self, work: impl FnOnce(&mut Map<K, V>) -> R) -> Option<R> {
        let mut working = Working { place: &self.0, map: Some(self.0.take()?) };
        working.map.as_mut().map(work)
    }

    pub(super) fn len(&self) -> usize {
        self.work(|map| map.len()).unwrap_or(0)
    }

    /// The entry for this key, made the newest, unless it is `stale`: then, and if there is none, a new one, and whether it
    /// is that. The oldest go beyond `max_size`. `None` for who comes back while another key is looked up.
    pub(super) fn find(
        &self,
        key: K,
        max_size: usize,
        stale: impl FnOnce(&Entry<V>) -> bool,
    ) -> Option<(Rc<Entry<V>>, bool)> {
        let mut gone = Vec::new();
        let found = self.work(|map| {
            if let Some(entry) = map.get(&key) {
                if !stale(entry) {
                    return (Rc::clone(entry), false);
                }
            }
            let entry = Entry::new();
            gone.extend(map.push(key, Rc::clone(&entry)));
            while map.len() > max_size {
                gone.extend(map.pop_lru());
            }
            (entry, true)
        });
        drop(gone);
        found
    }

    pub(super) fn clear(&self) {
        let before = self.0.replace(Some(LruCache::unbounded()));
        drop(before);
    }
}
