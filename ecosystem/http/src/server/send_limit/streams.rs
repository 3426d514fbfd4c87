//! The streams of a connection of HTTP/2, and what waits on them.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::Waker,
};

/// The streams that are answered. Their memory is used again.
#[derive(Debug, Default)]
pub(in super::super) struct Streams {
    states: RefCell<Vec<State>>,
    free: RefCell<Vec<usize>>,
    count: Cell<usize>,
    /// The one whose request was handed on last, until its task is started.
    begun: RefCell<Option<Stream>>,
}

#[derive(Debug, Default)]
struct State {
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

    fn note(&mut self) {
        if !self.waits() {
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
    /// A stream whose request is handed on now.
    pub(in super::super) fn begin(self: &Rc<Self>) -> Stream {
        let state = State { shares: 1, ..State::default() };
        let index = self.free.borrow_mut().pop();
        let mut states = self.states.borrow_mut();
        let index = match index {
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
        drop(states);
        let stream = Stream { streams: self.clone(), index };
        *self.begun.borrow_mut() = Some(stream.clone());
        stream
    }

    pub(super) fn take_begun(&self) -> Option<Stream> {
        self.begun.borrow_mut().take()
    }

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
pub(in super::super) struct Stream {
    streams: Rc<Streams>,
    index: usize,
}

impl Stream {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.streams.states.borrow_mut()[self.index])
    }

    pub(super) fn is_to_end(&self) -> bool {
        self.streams.states.borrow()[self.index].is_to_end
    }

    /// Its body is there, or is gone.
    pub(super) fn set_body(&self, is_there: bool) {
        self.change(|state| {
            state.has_body = is_there;
            state.note();
        });
    }

    /// The body was asked for something in this task, and has given so many bytes, or has nothing for now.
    pub(super) fn give(&self, given: Option<usize>, task: &Waker) {
        let before = self.change(|state| {
            state.is_up_to_date = given.is_none();
            state.given += given.unwrap_or(0) as u64;
            state.note();
            match &state.task {
                Some(same) if same.will_wake(task) => None,
                _ => state.task.replace(task.clone()),
            }
        });
        // It is anybody's.
        drop(before);
    }

    /// So many bytes have left.
    pub(super) fn send(&self, count: usize) {
        self.change(|state| {
            state.sent += count as u64;
            state.note();
        });
    }
}

impl Clone for Stream {
    fn clone(&self) -> Self {
        self.change(|state| state.shares += 1);
        Self { streams: self.streams.clone(), index: self.index }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let task = self.change(|state| {
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
