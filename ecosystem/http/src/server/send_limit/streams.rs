//! The streams of a connection of HTTP/2 on which answers have bodies, and what waits on them.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::Waker,
};

/// The streams whose bodies have not left. Their memory is used again.
#[derive(Debug, Default)]
pub(in super::super) struct Streams {
    states: RefCell<Vec<State>>,
    free: RefCell<Vec<usize>>,
    count: Cell<usize>,
    /// What is to be started next.
    begun: Cell<Begun>,
    /// That of the body which has come since the task of a stream was polled.
    answered: Cell<Option<usize>>,
}

/// What has been handed on, and has no task yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Begun {
    #[default]
    Nothing,
    /// A request that was answered at once.
    Answered,
    /// One whose answer is waited for.
    Waits,
}

#[derive(Debug, Default)]
struct State {
    /// The body, what of it is with the protocol, and the task, if that goes on.
    shares: usize,
    /// How many bytes of the body were given to the protocol.
    given: u64,
    /// How many of them have left, or are not to be sent any more.
    sent: u64,
    has_body: bool,
    /// Whether the protocol has all that there is of the body so far, and waits for more.
    is_up_to_date: bool,
    /// How many bytes had left when the window of time began, if something has been waiting ever since.
    mark: Option<u64>,
    is_to_end: bool,
    task: Option<Waker>,
}

impl State {
    fn waits(&self) -> bool {
        self.given > self.sent || (self.has_body && !self.is_up_to_date)
    }

    #[inline]
    fn note(&mut self) {
        if self.mark.is_some() && !self.waits() {
            self.mark = None;
        }
    }
}

/// What was done about streams that are too slow.
pub(super) struct Outcome {
    /// How many bytes each of them has sent.
    pub(super) sent: Vec<u64>,
    /// Whether what one of them has in the hands of the protocol ends only with the connection.
    pub(super) needs_the_end: bool,
}

impl Streams {
    /// A request was handed on, and was answered at once or not. Its task is started next.
    #[inline]
    pub(in super::super) fn begin(&self, is_answered: bool) {
        self.begun.set(if is_answered { Begun::Answered } else { Begun::Waits });
    }

    #[inline]
    pub(super) fn take_begun(&self) -> Begun {
        self.begun.take()
    }

    /// The stream of a body that is there now.
    #[inline]
    pub(super) fn answer(self: &Rc<Self>) -> Stream {
        let state = State { shares: 1, has_body: true, ..State::default() };
        let mut states = self.states.borrow_mut();
        let index = match self.free.borrow_mut().pop() {
            Some(index) => {
                states[index] = state;
                index
            }
            None => {
                states.push(state);
                states.len() - 1
            }
        };
        self.count.set(self.count.get() + 1);
        self.answered.set(Some(index));
        Stream { streams: self.clone(), index, is_body: true }
    }

    /// The task of a stream is polled that has given no body yet.
    #[inline]
    pub(super) fn await_answer(&self) {
        self.answered.set(None);
    }

    /// The stream of the body that has come since.
    pub(super) fn answered(self: &Rc<Self>) -> Option<Stream> {
        let index = self.answered.take()?;
        let state = &mut self.states.borrow_mut()[index];
        state.has_body.then(|| {
            state.shares += 1;
            Stream { streams: self.clone(), index, is_body: false }
        })
    }

    /// Whether there are bodies that have not left.
    #[inline]
    pub(super) fn has_some(&self) -> bool {
        self.count.get() > 0
    }

    /// A window of time begins.
    pub(super) fn mark(&self) {
        for state in &mut *self.states.borrow_mut() {
            state.mark = (state.shares > 0 && state.waits()).then_some(state.sent);
        }
    }

    /// Ends those that have been waiting since the window began, and have sent less than that. If the connection could not
    /// send all in that time, but so many bytes, each is asked for a part of its share of them only.
    pub(super) fn end_slow_ones(&self, least: u64, by_connection: Option<u64>) -> Outcome {
        let mut outcome = Outcome { sent: Vec::new(), needs_the_end: false };
        let mut tasks = Vec::new();
        {
            let mut states = self.states.borrow_mut();
            let is_marked = |state: &&mut State| state.shares > 0 && !state.is_to_end && state.mark.is_some();
            let count = states.iter_mut().filter(is_marked).count() as u64;
            let least = by_connection.map_or(least, |sent| least.min(sent / (4 * count.max(1))));
            for state in states.iter_mut().filter(is_marked) {
                let sent = state.sent - state.mark.unwrap_or(state.sent);
                if sent >= least {
                    continue;
                }
                state.is_to_end = true;
                outcome.sent.push(sent);
                match state.task.take() {
                    Some(task) if state.has_body => tasks.push(task),
                    _ => outcome.needs_the_end = true,
                }
            }
        }
        // Whom this wakes may look at streams at once.
        tasks.into_iter().for_each(Waker::wake);
        outcome
    }
}

/// One of the streams, as long as something of it is there.
#[derive(Debug)]
pub(super) struct Stream {
    streams: Rc<Streams>,
    index: usize,
    is_body: bool,
}

impl Stream {
    #[inline]
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.streams.states.borrow_mut()[self.index])
    }

    pub(super) fn is_to_end(&self) -> bool {
        self.streams.states.borrow()[self.index].is_to_end
    }

    /// The body has nothing for now.
    pub(super) fn give_nothing(&self) {
        self.change(|state| {
            state.is_up_to_date = true;
            state.note();
        });
    }

    /// The body gives so many bytes. What of them is with the protocol is a part of the stream, too.
    #[inline]
    pub(super) fn give(&self, count: usize) -> Option<Self> {
        let has_bytes = count > 0;
        self.change(|state| {
            state.is_up_to_date = false;
            state.given += count as u64;
            state.shares += usize::from(has_bytes);
        });
        has_bytes.then(|| Self { streams: self.streams.clone(), index: self.index, is_body: false })
    }

    /// Who ends the stream when it is woken.
    pub(super) fn set_task(&self, task: &Waker) {
        let before = self.change(|state| match &state.task {
            Some(same) if same.will_wake(task) => None,
            _ => state.task.replace(task.clone()),
        });
        // It is anybody's.
        drop(before);
    }

    /// So many bytes have left.
    #[inline]
    pub(super) fn send(&self, count: usize) {
        self.change(|state| {
            state.sent += count as u64;
            state.note();
        });
    }
}

impl Drop for Stream {
    #[inline]
    fn drop(&mut self) {
        let is_body = self.is_body;
        let task = self.change(|state| {
            if is_body {
                state.has_body = false;
                state.note();
            }
            state.shares -= 1;
            if state.shares > 0 {
                return None;
            }
            state.mark = None;
            Some(state.task.take())
        });
        if let Some(task) = task {
            self.streams.free.borrow_mut().push(self.index);
            self.streams.count.set(self.streams.count.get() - 1);
            drop(task);
        }
    }
}
