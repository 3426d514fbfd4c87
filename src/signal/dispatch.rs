//! From what the handler has noted to the tasks that wait for it.

use super::{
    Signal,
    choice::Interrupt,
    handler,
    listener::{Listener, Purpose},
    received::Received,
};
use crate::runtime::{Companion, Core, ReasonKind};
use anyio_driver::Unparker;
use std::{cell::RefCell, fmt, io, panic::Location, rc::Rc, sync::Arc};

/// The listeners of one executor.
#[derive(Default)]
pub(super) struct Dispatch {
    receivers: RefCell<Vec<Rc<Received>>>,
    run: RefCell<Option<(Arc<Listener>, Interrupt)>>,
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

    /// From now on those signals end the run that have the default effect.
    pub(super) fn begin_run(&self, interrupt: Interrupt, unparker: Unparker) -> io::Result<()> {
        let (steps, signals): (u32, &[Signal]) = match interrupt {
            Interrupt::Ignore => return Ok(()),
            Interrupt::Cancel => (1, &[Signal::SIGINT]),
            Interrupt::Finish(_) => (2, &[Signal::SIGINT, Signal::SIGTERM]),
        };
        if let Some(listener) = handler::register_where_default(Purpose::Run { steps }, signals, unparker)? {
            *self.run.borrow_mut() = Some((listener, interrupt));
        }
        Ok(())
    }

    pub(super) fn end_run(&self) {
        if let Some((listener, _)) = self.run.take() {
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
        let asked = self.run.borrow().as_ref().map(|(listener, interrupt)| (listener.steps(), *interrupt));
        // To be told the same again changes nothing.
        match asked {
            Some((1, Interrupt::Finish(grace))) => {
                core.tell_run(|scope| scope.finish_at(grace, Location::caller()));
            }
            Some((1.., _)) => {
                core.tell_run(|scope| scope.cancel_with(ReasonKind::Interrupt, None, Location::caller()));
            }
            Some((0, _)) | None => {}
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
