//! Storage of variables that live as long as a run.

use std::{any::Any, cell::RefCell, collections::HashMap, rc::Rc};

/// The values of all run variables that are set, by the variable's identity.
#[derive(Default)]
pub(crate) struct Variables(RefCell<HashMap<u64, Rc<dyn Any>>>);

impl Variables {
    pub(crate) fn get(&self, id: u64) -> Option<Rc<dyn Any>> {
        self.0.borrow().get(&id).cloned()
    }

    /// Sets or clears a value; gives back the one before.
    pub(crate) fn replace(&self, id: u64, value: Option<Rc<dyn Any>>) -> Option<Rc<dyn Any>> {
        let mut values = self.0.borrow_mut();
        match value {
            Some(value) => values.insert(id, value),
            None => values.remove(&id),
        }
    }

    /// Takes all values out, to be dropped; destructors may set new ones, which are dropped with the executor.
    pub(crate) fn take_all(&self) -> impl Iterator<Item = Rc<dyn Any>> {
        self.0.take().into_values()
    }
}
