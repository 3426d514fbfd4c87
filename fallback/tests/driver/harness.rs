//! A small caller of the driver: gives out tokens, takes turns until what is waited for is there.
//!
//! # Contract
//! The tests keep what their operations name until these have completed.

use anyio_driver::{Chunk, Completion, CompletionFlags, Driver, Op, Token, Wait};
use anyio_fallback::{Options, PollDriver};
use std::{
    collections::HashMap,
    io,
    time::{Duration, Instant},
};

/// How long anything may take before a test fails.
const LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Harness {
    pub(crate) driver: PollDriver,
    next: u32,
    free: Vec<u32>,
    arrived: HashMap<Token, Completion>,
    collected: Vec<Completion>,
}

impl Harness {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        Self {
            driver: PollDriver::new(options).unwrap(),
            next: 0,
            free: Vec::new(),
            arrived: HashMap::new(),
            collected: Vec::new(),
        }
    }

    fn token(&mut self) -> Token {
        let index = self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        });
        Token::new(index, 7)
    }

    pub(crate) fn submit(&mut self, op: Op) -> Token {
        let token = self.token();
        // SAFETY: the index is not in use, and tests keep what they name.
        unsafe { self.driver.submit(token, op) };
        token
    }

    pub(crate) fn turn(&mut self, wait: Wait) -> usize {
        self.driver.turn(wait, &mut self.collected).unwrap();
        let count = self.collected.len();
        for completion in self.collected.drain(..) {
            assert!(completion.is_final());
            self.free.push(completion.token.index());
            assert!(self.arrived.insert(completion.token, completion).is_none(), "completed twice");
        }
        count
    }

    /// Takes turns until this operation has completed.
    pub(crate) fn completion(&mut self, token: Token) -> Completion {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(completion) = self.arrived.remove(&token) {
                return completion;
            }
            assert!(Instant::now() < deadline, "{token:?} has not completed");
            self.turn(Wait::Until(deadline));
        }
    }

    /// What a turn has brought for this operation.
    pub(crate) fn take(&mut self, token: Token) -> Option<Completion> {
        self.arrived.remove(&token)
    }

    /// Notes that an operation has completed whose answers did not come through here.
    pub(crate) fn release(&mut self, token: Token) {
        self.free.push(token.index());
    }

    /// The answer of the operation that was submitted last, if it was done at once.
    pub(crate) fn take_answer(&mut self, token: Token) -> Option<Completion> {
        let answer = self.driver.take_answer(token)?;
        self.free.push(token.index());
        Some(answer)
    }

    pub(crate) fn result(&mut self, token: Token) -> io::Result<u32> {
        self.completion(token).result()
    }

    pub(crate) fn run(&mut self, op: Op) -> io::Result<u32> {
        let token = self.submit(op);
        self.result(token)
    }

    /// The error that an operation ends with.
    pub(crate) fn error(&mut self, op: Op) -> i32 {
        self.run(op).unwrap_err().raw_os_error().unwrap()
    }

    /// Whether it has completed, as far as the driver knows without waiting.
    pub(crate) fn is_done(&mut self, token: Token) -> bool {
        // Of two turns at least one looks at the kernel.
        self.turn(Wait::No);
        self.turn(Wait::No);
        self.arrived.contains_key(&token)
    }

    pub(crate) fn chunk(&mut self, completion: Completion) -> Chunk {
        assert!(completion.flags.contains(CompletionFlags::BUFFER));
        self.driver.take_buffer(completion.buffer, completion.result as usize)
    }

    pub(crate) fn is_cancelled(&mut self, token: Token) -> bool {
        self.result(token).is_err_and(|error| error.raw_os_error() == Some(libc::ECANCELED))
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.driver.in_flight(), 0);
            assert_eq!(self.driver.pool().statistics().in_use, 0);
            assert_eq!(self.driver.message_buffers_in_use(), 0);
        }
    }
}
