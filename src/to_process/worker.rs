//! One worker, seen from the process that has started it.

use super::{
    entry, image,
    program::Program,
    protocol::{self, HEADER, Kind},
    serving,
};
use crate::{
    error::{Error, Result},
    net::UnixStream,
    process::{self, Process, Stdio},
    runtime::calls,
    scope::{fail_after, move_on_after, shield},
    signal::Signal,
    system::broken_worker::BrokenWorkerProcess,
    time::current_time,
};
use anyio_driver::IoBuf;
use bytes::Bytes;
use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

/// How long a worker may take to become ready.
const START_LIMIT: Duration = Duration::from_secs(20);

/// A worker process. When it is dropped it is killed with its group.
pub(super) struct Worker {
    process: Process,
    socket: UnixStream,
    /// Since when nobody uses it.
    pub(super) idle_since: Instant,
}

/// What a worker answered.
pub(super) enum Answer {
    Value(Vec<u8>),
    Panicked(String),
    Refused(String),
}

/// Why there is no answer.
enum Failed {
    /// The scope was cancelled, or this side cannot go on.
    Here(Error),
    /// The worker is to blame.
    Worker(&'static str),
}

/// Why there is no answer, for who has asked.
pub(super) enum NoAnswer {
    /// The worker ended before it had the call in hand.
    Uncalled(Error),
    Failed(Error),
}

impl From<NoAnswer> for Error {
    fn from(no_answer: NoAnswer) -> Self {
        match no_answer {
            NoAnswer::Uncalled(error) | NoAnswer::Failed(error) => error,
        }
    }
}

/// How long it takes at most to look at what is there already.
const LAST_WORDS: Duration = Duration::from_millis(20);

const ENDED: &str = "ended before it answered";

impl Worker {
    /// Starts one, which is to end when it is idle for so long.
    pub(super) async fn start(program: &Program, idle: Duration) -> Result<Self> {
        let (own, its) = calls::pair(socket2::Type::STREAM)?;
        let mut command = match program {
            Program::Itself => entry::command()?,
            Program::Other(program) => program.command(),
        };
        command.env(serving::VARIABLE, serving::variable(&its, idle)?);
        command.stdin(its).stdout(Stdio::null()).stderr(Stdio::inherit());
        command.ending(Signal::SIGKILL, Duration::ZERO);
        let process = process::open(&mut command).await?;
        // The worker's end of the socket, which nobody but the worker is to have.
        drop(command);
        let worker = Self { process, socket: UnixStream::from_owned(own)?, idle_since: current_time() };
        let ready = fail_after(START_LIMIT, async {
            match worker.whatever_comes_first(worker.receive()).await {
                Ok(frame) => Ok(Ok(frame)),
                Err(Failed::Worker(what)) => Ok(Err(what)),
                Err(Failed::Here(error)) => Err(error),
            }
        })
        .await;
        let failed = match ready {
            Ok(Ok((Kind::Ready, identity))) => match program {
                Program::Itself if identity != image::identity()? => {
                    Failed::Worker("is not the same program as this one")
                }
                _ => return Ok(worker),
            },
            Ok(Ok(_)) => Failed::Worker("speaks otherwise than workers do"),
            Ok(Err(ENDED)) => Failed::Worker("ended before it was ready"),
            Ok(Err(what)) => Failed::Worker(what),
            Err(Error::TimedOut(_)) => Failed::Worker("was not ready within 20 seconds"),
            Err(error) => Failed::Here(error),
        };
        Err(worker.end(failed).await.0)
    }

    /// Has a function called. The worker comes back with the answer; without one it has ended, also in a scope that is
    /// cancelled.
    pub(super) async fn call(self, kind: Kind, body: Bytes) -> Result<(Self, Answer), NoAnswer> {
        self.process.set_awaited(true);
        let begun = Cell::new(false);
        let answered = self
            .whatever_comes_first(async {
                self.send(protocol::header(kind, body.len()).to_vec()).await?;
                self.send(body).await?;
                if self.receive().await?.0 != Kind::Begun {
                    return Err(Failed::Worker("answered before it was to"));
                }
                begun.set(true);
                let (kind, body) = self.receive().await?;
                let text = |body| String::from_utf8_lossy(body).into_owned();
                match kind {
                    Kind::Value => Ok(Answer::Value(body)),
                    Kind::Panicked => Ok(Answer::Panicked(text(&body))),
                    Kind::Refused => Ok(Answer::Refused(text(&body))),
                    _ => Err(Failed::Worker("answered something else than it was asked")),
                }
            })
            .await;
        match answered {
            Ok(answer) => {
                self.process.set_awaited(false);
                Ok((self, answer))
            }
            Err(failed) => {
                let may_be_untouched = matches!(failed, Failed::Worker(ENDED)) && !begun.get();
                let (error, socket) = self.end(failed).await;
                match may_be_untouched && !shield(has_said_something(&socket)).await {
                    true => Err(NoAnswer::Uncalled(error)),
                    false => Err(NoAnswer::Failed(error)),
                }
            }
        }
    }

    /// Whether it has not ended while it was idle.
    pub(super) fn is_alive(&self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// What the future gives, unless the worker ends first. Its socket does not tell that: a process to which it was passed
    /// on may have that open.
    async fn whatever_comes_first<T>(
        &self,
        future: impl Future<Output = Result<T, Failed>>,
    ) -> Result<T, Failed> {
        let mut future = pin!(future);
        let mut end = pin!(self.process.wait_without_reaping());
        poll_fn(|cx| {
            if let Poll::Ready(result) = future.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            end.as_mut().poll(cx).map(|ended| {
                Err(match ended {
                    Ok(()) => Failed::Worker(ENDED),
                    Err(error) => Failed::Here(error),
                })
            })
        })
        .await
    }

    async fn send(&self, bytes: impl IoBuf) -> Result<(), Failed> {
        self.socket.send(bytes).await.map_err(|error| match error {
            Error::BrokenResource(_) => Failed::Worker(ENDED),
            error => Failed::Here(error),
        })
    }

    async fn receive(&self) -> Result<(Kind, Vec<u8>), Failed> {
        let header = self.receive_exactly(HEADER).await?;
        let header = header.first_chunk().and_then(protocol::parse);
        let (kind, length) = header.ok_or(Failed::Worker("answered what is no answer"))?;
        Ok((kind, self.receive_exactly(length).await?))
    }

    /// So many bytes. Memory is taken for those that have come, not for those that were promised.
    async fn receive_exactly(&self, length: usize) -> Result<Vec<u8>, Failed> {
        let mut all = Vec::new();
        while all.len() < length {
            match self.socket.receive_at_most(length - all.len()).await {
                Ok(Some(chunk)) => all.extend_from_slice(&chunk),
                Ok(None) | Err(Error::BrokenResource(_)) => return Err(Failed::Worker(ENDED)),
                Err(error) => return Err(Failed::Here(error)),
            }
        }
        Ok(all)
    }

    /// Kills and reaps it, with its group. One that ends already keeps the status that it ends with. Gives what it may have
    /// said before.
    async fn end(mut self, failed: Failed) -> (Error, UnixStream) {
        let ended = self.process.stop().await;
        let error = match failed {
            Failed::Here(error) => {
                if let Err(error) = ended {
                    log::warn!("worker process {} could not be ended: {error}", self.process.pid());
                }
                error
            }
            Failed::Worker(what) => {
                let broken = BrokenWorkerProcess::new(self.process.pid(), what, ended.ok());
                Error::BrokenWorkerProcess(Box::new(broken))
            }
        };
        (error, self.socket)
    }
}

/// Whether a worker that has ended has left something in its socket, whoever else may have that open.
async fn has_said_something(socket: &UnixStream) -> bool {
    matches!(move_on_after(LAST_WORDS, socket.receive_at_most(1)).await, Ok(Some(Some(_))))
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Here(error)
    }
}
