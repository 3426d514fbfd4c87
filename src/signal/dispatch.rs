//! From what the handler has noted to the tasks that wait for it.

use super::{
    handler,
    listener::{Listener, Purpose},
    receiver::Received,
};
use crate::runtime::{Core, ReasonKind, RemoteScope};
use std::{
    cell::{Cell, RefCell},
    fmt, io,
    rc::Rc,
    sync::Arc,
};

/// The listeners of one executor.
#[derive(Default)]
pub(crate) struct Dispatch {
    seen: Cell<u64>,
    receivers: RefCell<Vec<Rc<Received>>>,
    run: RefCell<Option<(Arc<Listener>, RemoteScope)>>,
}

impl Dispatch {
    /// Whether a signal has come, for any executor, since this was last asked.
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        let news = handler::news();
        self.seen.replace(news) != news
    }

    /// Tells this executor's receivers, and its run, what has come for them.
    pub(crate) fn dispatch(&self, core: &Core) {
        core.change(|_| self.receivers.borrow().iter().for_each(|receiver| receiver.notify()));
        if let Some((listener, scope)) = &*self.run.borrow()
            && listener.has_arrivals()
        {
            // It stays noted, so that the next signal is known to be the second. Cancelling again changes nothing.
            scope.cancel_for(ReasonKind::Interrupt, None);
        }
    }

    /// Whether some receiver is open.
    pub(crate) fn has_receivers(&self) -> bool {
        !self.receivers.borrow().is_empty()
    }

    /// Whether a signal would cancel the run.
    pub(crate) fn has_run(&self) -> bool {
        self.run.borrow().is_some()
    }

    pub(super) fn add(&self, receiver: Rc<Received>) {
        self.receivers.borrow_mut().push(receiver);
    }

    pub(super) fn remove(&self, receiver: &Rc<Received>) {
        self.receivers.borrow_mut().retain(|known| !Rc::ptr_eq(known, receiver));
    }

    /// From now on these signals cancel the scope, unless they have another effect than the default one.
    pub(super) fn begin_run(&self, listener: Listener, scope: RemoteScope) -> io::Result<()> {
        debug_assert_eq!(listener.purpose, Purpose::Run);
        let listener = Arc::new(listener);
        if handler::register_if_default(&listener)? {
            *self.run.borrow_mut() = Some((listener, scope));
        }
        Ok(())
    }

    pub(super) fn end_run(&self) {
        if let Some((listener, _)) = self.run.take() {
            handler::deregister(&listener);
        }
    }
}

impl fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch").field("receivers", &self.receivers.borrow().len()).finish_non_exhaustive()
    }
}
