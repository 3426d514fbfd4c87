//! Names of borrowers.
//!
//! What a value names is told by its `Hash` and `Eq`, which are code of users. The hash is asked for once, when the name is
//! made, and equality only between names of one hash, by those who hold no borrow meanwhile. Clones of one name are known
//! by their [`identity`](Borrower::identity), without code of users.

use crate::runtime::{Core, TaskKey};
use std::{
    any::Any,
    fmt::{self, Debug},
    hash::{BuildHasher, Hash, Hasher, RandomState},
    rc::Rc,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Whoever borrows from a [`CapacityLimiter`](super::CapacityLimiter): a task, a call on a worker thread or outside of every
/// task, or what a value names.
#[derive(Clone)]
pub struct Borrower(Name);

#[derive(Clone)]
enum Name {
    Task(TaskKey),
    /// Each call has a number of its own.
    Call(u64),
    /// With its hash.
    Value(u64, Rc<dyn Value>),
}

impl Borrower {
    /// What this value names. Two are the same if they have the same type and are equal.
    pub fn new(value: impl Hash + Eq + Debug + 'static) -> Self {
        static HASHING: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(Name::Value(HASHING.hash_one(&value), Rc::new(value)))
    }

    /// A call, different from all others.
    pub(crate) fn of_call(number: u64) -> Self {
        Self(Name::Call(number))
    }

    /// The number of a call that no other has.
    pub(crate) fn number_of_call() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    /// The same for this name and its clones, as long as there are any, and for no others.
    pub(super) fn identity(&self) -> Identity {
        match &self.0 {
            Name::Task(task) => Identity::Task(*task),
            Name::Call(number) => Identity::Call(*number),
            Name::Value(_, value) => Identity::Value(Rc::as_ptr(value).cast()),
        }
    }

    /// The hash of what names this borrower, if that is a value: another one may be equal to it.
    pub(super) fn hash_of_value(&self) -> Option<u64> {
        match self.0 {
            Name::Value(hash, _) => Some(hash),
            Name::Task(_) | Name::Call(_) => None,
        }
    }

    /// The task that is being polled, or, where none is, this call.
    pub(super) fn current() -> Self {
        let task = Core::with(Core::task).map(|task| Self(Name::Task(task)));
        task.unwrap_or_else(|| Self::of_call(Self::number_of_call()))
    }
}

/// Tells names apart without code of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Identity {
    Task(TaskKey),
    Call(u64),
    Value(*const ()),
}

trait Value: Debug {
    fn as_any(&self) -> &dyn Any;
    fn equals(&self, other: &dyn Any) -> bool;
}

impl<T: Eq + Debug + 'static> Value for T {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn equals(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<T>() == Some(self)
    }
}

impl PartialEq for Borrower {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Name::Task(one), Name::Task(other)) => one == other,
            (Name::Call(one), Name::Call(other)) => one == other,
            (Name::Value(hash, one), Name::Value(others_hash, other)) => {
                Rc::ptr_eq(one, other) || hash == others_hash && one.equals((**other).as_any())
            }
            _ => false,
        }
    }
}

impl Eq for Borrower {}

impl Hash for Borrower {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        match &self.0 {
            Name::Task(task) => task.to_bits().hash(hasher),
            Name::Call(number) => number.hash(hasher),
            Name::Value(hash, _) => hash.hash(hasher),
        }
    }
}

impl Debug for Borrower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Name::Task(task) => write!(f, "task {}", task.index()),
            Name::Call(number) => write!(f, "call {number}"),
            Name::Value(_, value) => value.fmt(f),
        }
    }
}
