//! Names of borrowers.

use crate::runtime::{Core, TaskKey};
use std::{
    any::Any,
    fmt::{self, Debug},
    hash::{Hash, Hasher},
    rc::Rc,
};

/// Whoever borrows from a [`CapacityLimiter`](super::CapacityLimiter): a task, a call on a worker thread,
/// or what a value names.
#[derive(Clone)]
pub struct Borrower(Name);

#[derive(Clone)]
enum Name {
    Task(TaskKey),
    /// Each call has a number of its own.
    Call(u64),
    Value(Rc<dyn Value>),
}

impl Borrower {
    /// What this value names. Two are the same if they have the same type and are equal.
    pub fn new(value: impl Hash + Eq + Debug + 'static) -> Self {
        Self(Name::Value(Rc::new(value)))
    }

    /// A call on a worker thread, different from all others.
    pub(crate) fn of_call(number: u64) -> Self {
        Self(Name::Call(number))
    }

    /// Whether nobody else can have the same name, so that it need not be looked for.
    pub(super) fn asks_once(&self) -> bool {
        matches!(self.0, Name::Call(_))
    }

    pub(super) fn current_task() -> Self {
        Self(Name::Task(Core::with(Core::task).expect("a future is always polled within some task")))
    }
}

trait Value: Debug {
    fn as_any(&self) -> &dyn Any;
    fn equals(&self, other: &dyn Any) -> bool;
    fn hash_into(&self, hasher: &mut dyn Hasher);
}

impl<T: Hash + Eq + Debug + 'static> Value for T {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn equals(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<T>() == Some(self)
    }

    fn hash_into(&self, mut hasher: &mut dyn Hasher) {
        self.hash(&mut hasher);
    }
}

impl PartialEq for Borrower {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Name::Task(one), Name::Task(other)) => one == other,
            (Name::Call(one), Name::Call(other)) => one == other,
            (Name::Value(one), Name::Value(other)) => one.equals((**other).as_any()),
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
            Name::Value(value) => (**value).hash_into(hasher),
        }
    }
}

impl Debug for Borrower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Name::Task(task) => write!(f, "task {}", task.index()),
            Name::Call(number) => write!(f, "call {number}"),
            Name::Value(value) => value.fmt(f),
        }
    }
}
