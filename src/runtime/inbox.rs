//! What other threads have to tell an executor.
//!
//! Every executor leases a number, and with it an inbox out of a table that is never freed, so that wakers may
//! reach it at any time, also after the executor's end. A message to an executor that sleeps wakes its driver; one
//! to an executor that is awake costs no system call.

use super::{Core, RunId, TaskKey};
use anyio_driver::{
    Unparker, planted,
    synchronization::{AtomicBool, Mutex, MutexGuard},
};
use std::{
    io,
    sync::{
        OnceLock, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

/// Something for an executor to do.
pub(crate) enum Message {
    /// Wake this task.
    Wake(TaskKey),
    /// Run this on the executor's thread, before the next tasks. It may not block.
    Run(Box<dyn FnOnce(&Core) + Send>),
}

/// A thread that waits for an answer of a run, and gets none when the run is over.
pub(crate) trait Blocked: Send + Sync {
    /// Says so. Runs no code of users.
    fn run_is_over(&self);
}

/// Where messages to one executor wait.
#[derive(Default)]
pub(crate) struct Inbox {
    contents: Mutex<Contents>,
    /// Whether there are messages.
    pending: AtomicBool,
    /// Whether the executor is about to wait, or waits, in its driver.
    asleep: AtomicBool,
    /// Which run it is whose messages these are; 0 for none.
    run: AtomicU32,
}

#[derive(Default)]
struct Contents {
    messages: Vec<Message>,
    /// Set while an executor holds the lease.
    unparker: Option<Unparker>,
    /// Whom to tell when the run is over.
    blocked: Vec<Weak<dyn Blocked>>,
}

impl Inbox {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        // No code that can panic runs under the lock.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a message. Without an executor it is dropped; the result tells.
    pub(crate) fn push(&self, message: Message) -> bool {
        let unparker = {
            let mut contents = self.contents();
            let Some(unparker) = &contents.unparker else { return false };
            let unparker = unparker.clone();
            contents.messages.push(message);
            self.pending.store(true, Ordering::SeqCst);
            unparker
        };
        // At once, also from another executor, whose task may block its thread until it is answered. One that is awake
        // costs nothing, and one that sleeps a system call for all messages until it has woken up.
        if self.asleep.swap(false, Ordering::SeqCst) {
            unparker.unpark();
        }
        true
    }

    /// Whether messages still reach this run.
    pub(crate) fn serves(&self, run: RunId) -> bool {
        self.run.load(Ordering::SeqCst) == run.number()
    }

    /// Has a thread that waits be told when this run is over. False if it is.
    pub(crate) fn tell_at_end(&self, run: RunId, blocked: Weak<dyn Blocked>) -> bool {
        let mut contents = self.contents();
        if !self.serves(run) {
            return false;
        }
        let all = &mut contents.blocked;
        if all.len() == all.capacity() {
            // Before there is more room for those who wait, it is looked who does not any more.
            all.retain(|other| other.strong_count() > 0);
        }
        all.push(blocked);
        true
    }

    /// Whether messages wait. One that comes at the same time may be missed, but then wakes the driver.
    #[inline]
    pub(crate) fn has_messages(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// Takes all messages; `messages` is empty before and lends its memory.
    pub(crate) fn take(&self, messages: &mut Vec<Message>) {
        let mut contents = self.contents();
        self.pending.store(false, Ordering::SeqCst);
        std::mem::swap(&mut contents.messages, messages);
    }

    /// Says that the executor is going to wait. From then on a message wakes the driver. If it is false there are
    /// messages already and waiting is no good.
    pub(crate) fn fall_asleep(&self) -> bool {
        // Swapped here and in `push`: of two swaps one is the later and sees what was done before the other. So either the
        // message is seen here, or the sleep there.
        self.asleep.swap(true, Ordering::SeqCst);
        if self.pending.load(Ordering::SeqCst) && !planted("wake lost") {
            self.wake_up();
            return false;
        }
        true
    }

    /// Says that the executor is awake.
    pub(crate) fn wake_up(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }
}

const PAGE: usize = 256;

/// 65,536 inboxes in pages that are made when first needed.
static INBOXES: [OnceLock<Box<[Inbox]>>; PAGE] = [const { OnceLock::new() }; PAGE];

/// The inbox of this number.
pub(crate) fn of(executor: u16) -> &'static Inbox {
    let page =
        INBOXES[usize::from(executor) / PAGE].get_or_init(|| (0..PAGE).map(|_| Inbox::default()).collect());
    &page[usize::from(executor) % PAGE]
}

/// Numbers that are free again, and the first that was never used.
static NUMBERS: Mutex<(Vec<u16>, u32)> = Mutex::new((Vec::new(), 0));

/// An executor's number for as long as it lives.
pub(crate) struct Lease(u16);

impl Lease {
    /// A number that no other executor has.
    ///
    /// # Errors
    /// If 65,536 executors live already.
    pub(crate) fn new() -> io::Result<Self> {
        let mut numbers = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = numbers.0.pop() {
            return Ok(Self(number));
        }
        let number = u16::try_from(numbers.1)
            .map_err(|_| io::Error::other("65,536 executors run in this process already"))?;
        numbers.1 += 1;
        Ok(Self(number))
    }

    pub(crate) fn id(&self) -> u16 {
        self.0
    }

    pub(crate) fn inbox(&self) -> &'static Inbox {
        of(self.0)
    }

    /// From now on messages to this run are taken, and wake the driver.
    pub(crate) fn open(&self, unparker: Unparker, run: RunId) {
        let mut contents = self.inbox().contents();
        contents.unparker = Some(unparker);
        self.inbox().run.store(run.number(), Ordering::SeqCst);
    }

    /// From now on messages are refused, and threads that wait for answers are told so. Gives back the messages that were left.
    pub(crate) fn close(&self) -> Vec<Message> {
        let (messages, blocked) = {
            let mut contents = self.inbox().contents();
            contents.unparker = None;
            self.inbox().run.store(0, Ordering::SeqCst);
            self.inbox().pending.store(false, Ordering::SeqCst);
            (std::mem::take(&mut contents.messages), std::mem::take(&mut contents.blocked))
        };
        for blocked in blocked.iter().filter_map(Weak::upgrade) {
            blocked.run_is_over();
        }
        messages
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.close());
        NUMBERS.lock().unwrap_or_else(PoisonError::into_inner).0.push(self.0);
    }
}

#[cfg(all(test, loom))]
mod interleavings;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use anyio_driver::Unpark;
    use std::sync::{Arc, atomic::AtomicUsize};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Unpark for Count {
        fn unpark(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn only_a_sleeper_is_unparked_and_only_once() {
        let (lease, count) = (Lease::new().unwrap(), Arc::new(Count::default()));
        lease.open(Unparker::new(count.clone()), RunId::next());
        let inbox = lease.inbox();
        let message = || Message::Wake(TaskKey::new(0, 0, 0));
        assert!(inbox.push(message()));
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        assert!(!inbox.fall_asleep());
        let mut messages = Vec::new();
        inbox.take(&mut messages);
        assert_eq!(messages.len(), 1);
        assert!(inbox.fall_asleep());
        assert!(inbox.push(message()) && inbox.push(message()));
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn messages_after_the_end_are_refused() {
        let (lease, count) = (Lease::new().unwrap(), Arc::new(Count::default()));
        lease.open(Unparker::new(count), RunId::next());
        assert!(lease.inbox().push(Message::Wake(TaskKey::new(0, 0, 0))));
        assert_eq!(lease.close().len(), 1);
        assert!(!lease.inbox().push(Message::Wake(TaskKey::new(0, 0, 0))));
    }

    #[derive(Default)]
    struct Waits(AtomicBool);

    impl Blocked for Waits {
        fn run_is_over(&self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn who_waits_for_a_run_is_told_of_its_end_and_not_of_that_of_the_next() {
        let (lease, count) = (Lease::new().unwrap(), Arc::new(Count::default()));
        let (first, second) = (RunId::next(), RunId::next());
        lease.open(Unparker::new(count.clone()), first);
        let waits: [Arc<Waits>; 9] = Default::default();
        for one in &waits {
            let one: Arc<dyn Blocked> = one.clone();
            assert!(lease.inbox().tell_at_end(first, Arc::downgrade(&one)));
        }
        assert!(!waits[0].0.load(Ordering::SeqCst));
        lease.close();
        assert!(waits.iter().all(|one| one.0.load(Ordering::SeqCst)));
        lease.open(Unparker::new(count), second);
        let late: Arc<dyn Blocked> = Arc::new(Waits::default());
        assert!(!lease.inbox().tell_at_end(first, Arc::downgrade(&late)), "that one is over");
        for _ in 0..1000 {
            let gone: Arc<dyn Blocked> = Arc::new(Waits::default());
            assert!(lease.inbox().tell_at_end(second, Arc::downgrade(&gone)));
        }
        assert!(lease.inbox().contents().blocked.len() < 100, "those who wait no more are forgotten");
    }
}
