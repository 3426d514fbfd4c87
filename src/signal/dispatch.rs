//! From what the handler has noted to the tasks that wait for it.

use super::{
    handler,
    listener::{Listener, Purpose},
    received::Received,
};
use crate::runtime::{Companion, Core, ReasonKind};
use std::{cell::RefCell, fmt, io, rc::Rc, sync::Arc};

/// The listeners of one executor.
#[derive(Default)]
pub(super) struct Dispatch {
    receivers: RefCell<Vec<Rc<Received>>>,
    run: RefCell<Option<Arc<Listener>>>,
}

impl Dispatch {
    pub(super) fn of(core: &Core) -> Rc<Self> {
        core.companions().of_kind()
    }

    pub(super) fn add(&self, receiver: Rc<Received>) {
        self.receivers.borrow_mut().push(receiver);
    }

    pub(super) fn remove(&self, receiver: &Rc<Received>) {
        self.receivers.borrow_mut().retain(|known| !Rc::ptr_eq(known, receiver));
    }

    /// From now on these signals cancel the run, unless they have another effect than the default one.
    pub(super) fn begin_run(&self, listener: Listener) -> io::Result<()> {
        debug_assert_eq!(listener.purpose, Purpose::Run);
        let listener = Arc::new(listener);
        if handler::register_if_default(&listener)? {
            *self.run.borrow_mut() = Some(listener);
        }
        Ok(())
    }

    pub(super) fn end_run(&self) {
        if let Some(listener) = self.run.take() {
            handler::deregister(&listener);
        }
    }
}

impl Companion for Dispatch {
    /// Tells this executor's receivers, and its run, what has come for them.
    fn hear(&self, core: &Core) {
        let receivers = self.receivers.borrow().clone();
        let mut untold = receivers.iter();
        core.finish_despite_panics(|| untold.by_ref().for_each(|receiver| receiver.notify()));
        if self.run.borrow().as_ref().is_some_and(|listener| listener.has_arrivals()) {
            // It stays noted, so that the next signal is known to be the second. Cancelling again changes nothing.
            core.cancel_run(ReasonKind::Interrupt);
        }
    }

    /// Whether some receiver is open.
    fn is_listening(&self) -> bool {
        !self.receivers.borrow().is_empty()
    }
}

impl fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch").field("receivers", &self.receivers.borrow().len()).finish_non_exhaustive()
    }
}
