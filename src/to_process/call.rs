//! A call of a function in a worker.

use super::{
    image::Address,
    pool::{self, Pool},
    program::Program,
    protocol::{self, Kind},
    worker::{Answer, NoAnswer, Worker},
};
use crate::{
    error::{Error, Result},
    lowlevel::checkpoint_if_cancelled,
    sync::{Borrower, CapacityLimiter},
};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt,
    future::Future,
    io,
    marker::PhantomData,
    panic::resume_unwind,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// Calls a function in a worker process and gives what it gives. See [the module](super) for what a worker is.
///
/// The function is a plain one, or a closure that captures nothing. Its argument and what it gives travel in the format of
/// [postcard](https://docs.rs/postcard), which has no types that describe themselves: `serde_json::Value` and enums that are
/// `#[serde(untagged)]` do not survive. Several arguments are a tuple.
///
/// # Errors
/// A cancellation of the scope. [`Error::BrokenWorkerProcess`] if the worker ended, for example because the function called
/// `exit`, or did something else than to answer; the next call gets another worker. (One that ended while it was idle is replaced unnoticed.) [`Error::Io`]: of the kind
/// [`InvalidInput`](io::ErrorKind::InvalidInput) if the argument, of the kind [`InvalidData`](io::ErrorKind::InvalidData) if the
/// value cannot be passed on; and if no process could be started. [`Error::Unsupported`] if `main` does not begin with
/// [`serve`](super::serve) or `#[anyio::main]`, or if the function belongs to a shared library and not to the program.
///
/// # Cancel safety
/// In a scope that is cancelled, the worker is killed and reaped before the cancellation goes on; so it is when this future is
/// dropped, in the background. Within [`shield`](crate::shield()) the function runs to its end. A call that waits for a worker
/// is taken back.
///
/// # Panics
/// If the function does, with the text of its panic. Its worker goes on.
pub fn run_sync<A, T>(function: fn(A) -> T, argument: A) -> RunSync<T>
where
    A: Serialize + DeserializeOwned,
    T: Serialize + DeserializeOwned + 'static,
{
    RunSync::new(Program::Itself, Call::by_address(function, &argument))
}

/// The call of a function in a worker process. Made by [`run_sync`] and
/// [`WorkerProgram::run_sync`](super::WorkerProgram::run_sync).
#[must_use = "the function is called when this is awaited"]
pub struct RunSync<T> {
    state: State,
    value: PhantomData<fn() -> T>,
}

enum State {
    Before { program: Program, call: Result<Call>, limiter: Option<Rc<CapacityLimiter>> },
    Called(Pin<Box<dyn Future<Output = Result<Answer>>>>),
    Over,
}

/// What is to be called.
pub(super) struct Call {
    kind: Kind,
    body: Vec<u8>,
}

impl Call {
    fn by_address<A, T>(function: fn(A) -> T, argument: &A) -> Result<Self>
    where
        A: Serialize + DeserializeOwned,
        T: Serialize,
    {
        const ELSEWHERE: &str = "calling a function of a shared library in a worker process";
        let address = Address::of(function).ok_or(Error::Unsupported(ELSEWHERE))?;
        Self::new(Kind::Call, address.to_bytes().to_vec(), argument)
    }

    pub(super) fn by_name(name: &str, argument: &(impl Serialize + ?Sized)) -> Result<Self> {
        Self::new(Kind::CallByName, protocol::name(name), argument)
    }

    fn new(kind: Kind, body: Vec<u8>, argument: &(impl Serialize + ?Sized)) -> Result<Self> {
        let body = postcard::to_extend(argument, body).map_err(|error| {
            let error = io::Error::new(io::ErrorKind::InvalidInput, error);
            Error::of_operation(error, "pass on", "the argument of a function in a worker process")
        })?;
        Ok(Self { kind, body })
    }
}

impl<T> RunSync<T> {
    pub(super) fn new(program: Program, call: Result<Call>) -> Self {
        Self { state: State::Before { program, call, limiter: None }, value: PhantomData }
    }

    /// Has this call borrow its worker from another limiter than that of the run. Each call is a borrower of its own.
    ///
    /// # Panics
    /// If the call has begun.
    pub fn limiter(mut self, chosen: &Rc<CapacityLimiter>) -> Self {
        match &mut self.state {
            State::Before { limiter, .. } => *limiter = Some(Rc::clone(chosen)),
            _ => panic!("a call is given its limiter before it is awaited"),
        }
        self
    }
}

/// Has the function called, and gives the answer.
async fn call(program: Program, call: Result<Call>, limiter: Option<Rc<CapacityLimiter>>) -> Result<Answer> {
    checkpoint_if_cancelled().await?;
    let Call { kind, body } = call?;
    let limiter = limiter.unwrap_or_else(pool::current_default_process_limiter);
    let _token = limiter.acquire_on_behalf_of(Borrower::number_of_call()).await?;
    let pool = Pool::current();
    let body = Bytes::from(body);
    while let Some(worker) = pool.take(&program) {
        match worker.call(kind, body.clone()).await {
            Ok((worker, answer)) => {
                pool.put(program, worker);
                return Ok(answer);
            }
            // It was about to end when it was taken, and nothing has happened.
            Err(NoAnswer::Uncalled(_)) => {}
            Err(failed) => return Err(failed.into()),
        }
    }
    let worker = Worker::start(&program, pool.limit_of_workers()).await?;
    let (worker, answer) = worker.call(kind, body).await?;
    pool.put(program, worker);
    Ok(answer)
}

/// The value in an answer. A panic goes on here.
fn value_of<T: DeserializeOwned>(answer: Answer) -> Result<T> {
    let refused = match answer {
        Answer::Value(bytes) => match postcard::from_bytes(&bytes) {
            Ok(value) => return Ok(value),
            Err(error) => io::Error::new(io::ErrorKind::InvalidData, error),
        },
        Answer::Refused(text) => io::Error::new(io::ErrorKind::InvalidData, text),
        Answer::Panicked(text) => resume_unwind(Box::new(text)),
    };
    Err(Error::of_operation(refused, "call", "a function in a worker process"))
}

impl<T: DeserializeOwned> Future for RunSync<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        loop {
            let polled = match &mut self.state {
                State::Before { .. } => None,
                State::Called(call) => Some(call.as_mut().poll(cx)),
                State::Over => panic!("polled after its output"),
            };
            match polled {
                Some(Poll::Pending) => return Poll::Pending,
                Some(Poll::Ready(answer)) => {
                    self.state = State::Over;
                    return Poll::Ready(answer.and_then(value_of));
                }
                None => {
                    let State::Before { program, call: what, limiter } =
                        std::mem::replace(&mut self.state, State::Over)
                    else {
                        unreachable!("it was looked at just now")
                    };
                    self.state = State::Called(Box::pin(call(program, what, limiter)));
                }
            }
        }
    }
}

impl<T> fmt::Debug for RunSync<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunSync").finish_non_exhaustive()
    }
}
