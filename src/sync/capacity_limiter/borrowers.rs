//! Who has borrowed.

use super::borrower::{Borrower, Identity};
use std::collections::HashMap;

/// A set of borrowers. Nothing in it runs code of users.
#[derive(Debug, Default)]
pub(super) struct Borrowers {
    pub(super) all: HashMap<Identity, Borrower>,
    /// Those among them that values name, by the hashes of these.
    values: HashMap<u64, Vec<Borrower>>,
}

impl Borrowers {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn contains(&self, identity: Identity) -> bool {
        self.all.contains_key(&identity)
    }

    /// Those that values of this hash name.
    pub(super) fn of_hash(&self, hash: u64) -> impl Iterator<Item = &Borrower> {
        self.values.get(&hash).into_iter().flatten()
    }

    pub(super) fn insert(&mut self, borrower: Borrower) {
        if let Some(hash) = borrower.hash_of_value() {
            self.values.entry(hash).or_default().push(borrower.clone());
        }
        self.all.insert(borrower.identity(), borrower);
    }

    /// Gives what is removed, to be dropped with no borrow open.
    pub(super) fn remove(&mut self, borrower: &Borrower) -> Option<Borrower> {
        let identity = borrower.identity();
        if let Some(hash) = borrower.hash_of_value() {
            if let Some(of_hash) = self.values.get_mut(&hash) {
                // Not the last clone: another is in the other map.
                of_hash.retain(|other| other.identity() != identity);
                if of_hash.is_empty() {
                    self.values.remove(&hash);
                }
            }
        }
        self.all.remove(&identity)
    }
}
