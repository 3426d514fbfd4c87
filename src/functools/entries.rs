//! What a cache knows, in the order in which it was last asked for.

use crate::{runtime::FirstPanic, sync::OnceCell};
use lru::LruCache;
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    mem,
    ops::Deref,
    rc::Rc,
    time::Instant,
};

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

/// An entry in the hands of a call. When the last call has ended without a value, nothing of it is left.
pub(super) struct Found<'a, K, V> {
    entries: &'a Entries<K, V>,
    number: u64,
    entry: Rc<Entry<V>>,
}

impl<K, V> Deref for Found<'_, K, V> {
    type Target = Entry<V>;

    fn deref(&self) -> &Entry<V> {
        &self.entry
    }
}

impl<K, V> Drop for Found<'_, K, V> {
    fn drop(&mut self) {
        // Numbers are never used again, so this is the same entry, if it is there still: it counts for one, and this for another.
        if self.entry.value.get().is_none() && Rc::strong_count(&self.entry) == 2 {
            let gone = self.entries.map.borrow_mut().remove(self.number);
            let_go(gone);
        }
    }
}

/// Drops keys and values, which are of users, each whatever the others do.
fn let_go<K, V>(gone: impl IntoIterator<Item = Kept<K, V>>) {
    let panics = FirstPanic::new();
    for Kept { key, entry, .. } in gone {
        panics.catch(|| drop(key));
        panics.catch(|| drop(entry));
    }
    panics.resume();
}

struct Kept<K, V> {
    hash: u64,
    key: Rc<K>,
    entry: Rc<Entry<V>>,
}

/// The entries by numbers of the cache's own. So neither their order nor their places depend on what the code of users says
/// of keys.
struct Map<K, V> {
    kept: LruCache<u64, Kept<K, V>>,
    by_hash: HashMap<u64, Vec<u64>>,
    last: u64,
}

impl<K, V> Map<K, V> {
    fn new() -> Self {
        Self { kept: LruCache::unbounded(), by_hash: HashMap::new(), last: 0 }
    }

    /// One whose key has this hash and was not compared yet: those come in the order of their numbers.
    fn candidate(&self, hash: u64, compared: u64) -> Option<(u64, Rc<K>)> {
        let number = *self.by_hash.get(&hash)?.iter().find(|&&number| number > compared)?;
        self.kept.peek(&number).map(|kept| (number, Rc::clone(&kept.key)))
    }

    fn insert(&mut self, kept: Kept<K, V>) -> u64 {
        self.last += 1;
        self.by_hash.entry(kept.hash).or_default().push(self.last);
        self.kept.put(self.last, kept);
        self.last
    }

    fn remove(&mut self, number: u64) -> Option<Kept<K, V>> {
        let kept = self.kept.pop(&number)?;
        if let Some(numbers) = self.by_hash.get_mut(&kept.hash) {
            numbers.retain(|other| *other != number);
            if numbers.is_empty() {
                self.by_hash.remove(&kept.hash);
            }
        }
        Some(kept)
    }

    fn remove_oldest(&mut self) -> Option<Kept<K, V>> {
        let (&number, _) = self.kept.peek_lru()?;
        self.remove(number)
    }
}

/// The entries. Comparing and hashing keys, and dropping keys and values, is users' code: it may come back here, panic, or say
/// today what it did not say yesterday. It runs with nothing borrowed, and what it says decides only which entry is found.
pub(super) struct Entries<K, V> {
    map: RefCell<Map<K, V>>,
    hashing: RandomState,
}

impl<K, V> Entries<K, V> {
    pub(super) fn new() -> Self {
        Self { map: RefCell::new(Map::new()), hashing: RandomState::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.map.borrow().kept.len()
    }

    pub(super) fn clear(&self) {
        // Numbers go on, for who is comparing.
        let mut map = self.map.borrow_mut();
        let last = map.last;
        let before = mem::replace(&mut *map, Map { last, ..Map::new() });
        drop(map);
        let_go(before.kept.into_iter().map(|(_, kept)| kept));
    }
}

impl<K: Hash + Eq, V> Entries<K, V> {
    /// The entry for this key, made the newest, unless it is `stale`: then, and if there is none, a new one, and whether it
    /// is that. The oldest go beyond `max_size`.
    pub(super) fn find(
        &self,
        key: K,
        max_size: usize,
        stale: impl FnOnce(&Entry<V>) -> bool,
    ) -> (Found<'_, K, V>, bool) {
        let hash = self.hashing.hash_one(&key);
        let mut gone = Vec::new();
        let mut compared = 0;
        loop {
            let candidate = self.map.borrow().candidate(hash, compared);
            let Some((number, other)) = candidate else { break };
            compared = number;
            let is_same = *other == key;
            drop(other);
            if !is_same {
                continue;
            }
            let mut map = self.map.borrow_mut();
            // It may be gone since.
            let Some(kept) = map.kept.get(&number) else { continue };
            if !stale(&kept.entry) {
                let entry = Rc::clone(&kept.entry);
                return (Found { entries: self, number, entry }, false);
            }
            gone.extend(map.remove(number));
            break;
        }
        let entry = Entry::new();
        let mut map = self.map.borrow_mut();
        let number = map.insert(Kept { hash, key: Rc::new(key), entry: Rc::clone(&entry) });
        while map.kept.len() > max_size {
            gone.extend(map.remove_oldest());
        }
        drop(map);
        // Should this panic, nobody makes the value, and the entry is given up.
        let found = Found { entries: self, number, entry };
        let_go(gone);
        (found, true)
    }
}

impl<K, V> Drop for Entries<K, V> {
    fn drop(&mut self) {
        self.clear();
    }
}
