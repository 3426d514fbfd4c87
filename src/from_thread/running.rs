//! A portal that has a thread of its own.

use super::portal::{BlockingPortal, blocking_portal};
use crate::{
    error::{Error, ErrorGroup, Result},
    running::Builder,
    runtime::dispose_of,
    to_thread::host,
};
use std::{
    io,
    ops::Deref,
    panic::resume_unwind,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
};

/// A portal with a run on a thread of its own, for programs that are not asynchronous. Made by [`start_blocking_portal`].
///
/// It is used as the [`BlockingPortal`] that it holds. Dropping it stops the portal and waits for its tasks; during a panic
/// they are cancelled first. One of its tasks, or a thread on which such a task has called a function and waits for it, would wait for itself: where they drop it,
/// or close it, the portal is only stopped, and ends by itself.
#[derive(Debug)]
#[must_use = "the portal ends when this is dropped"]
pub struct RunningPortal {
    portal: BlockingPortal,
    thread: Option<JoinHandle<Result<()>>>,
}

/// Starts a thread with a run of its own, and gives a portal into it. That is how a synchronous program uses anyio.
///
/// ```
/// use anyio::{Builder, Result, from_thread, net::TcpListener};
///
/// # fn program() -> Result<()> {
/// let portal = from_thread::start_blocking_portal(&Builder::new())?;
/// let port = portal.call(async || -> Result<u16> {
///     Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port())
/// })??;
/// assert_ne!(port, 0);
/// portal.close()
/// # }
/// # program().unwrap();
/// ```
///
/// # Errors
/// If the thread cannot be started, or its driver not be set up.
pub fn start_blocking_portal(builder: &Builder) -> io::Result<RunningPortal> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("anyio-portal-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let builder = builder.clone();
    let (sender, begun) = mpsc::sync_channel(1);
    let body = move || {
        let ended = builder.run(async || {
            blocking_portal(async |portal| -> Result<()> {
                // Whoever started this waits for it.
                drop(sender.send(portal.clone()));
                portal.sleep_until_stopped().await?;
                Ok(())
            })
            .await
        });
        match ended {
            // The remaining tasks were cancelled, as was asked for.
            Ok(Ok(_)) => Ok(()),
            Ok(Err(errors)) => Err(error_of(errors)),
            Err(error) => Err(Error::of_operation(error, "run", "a portal")),
        }
    };
    let thread = thread::Builder::new().name(name).spawn(body)?;
    match begun.recv() {
        Ok(portal) => Ok(RunningPortal { portal, thread: Some(thread) }),
        Err(_) => match thread.join() {
            Ok(Err(error)) => Err(error.into()),
            Ok(Ok(())) => Err(io::Error::other("the thread of a portal ended before it began")),
            Err(payload) => resume_unwind(payload),
        },
    }
}

fn error_of(errors: ErrorGroup<Error>) -> Error {
    Error::Group(Box::new(errors))
}

impl RunningPortal {
    /// Stops the portal, and waits until its tasks and its run have ended.
    ///
    /// # Errors
    /// If the run ended with an error, for example because its driver became unusable.
    ///
    /// # Panics
    /// If a task did for which nobody waits.
    pub fn close(mut self) -> Result<()> {
        self.portal.stop(false);
        self.join()
    }

    /// Waits for the thread, unless that waits for who does this, and gives what came of it.
    fn end(&mut self) -> thread::Result<Result<()>> {
        let Some(thread) = self.thread.take() else { return Ok(Ok(())) };
        let own = thread.thread().id() == thread::current().id();
        if own || host::is_awaited_by(self.portal.run()) {
            return Ok(Ok(()));
        }
        thread.join()
    }

    fn join(&mut self) -> Result<()> {
        self.end().unwrap_or_else(|payload| resume_unwind(payload))
    }
}

impl Deref for RunningPortal {
    type Target = BlockingPortal;

    fn deref(&self) -> &BlockingPortal {
        &self.portal
    }
}

impl Drop for RunningPortal {
    fn drop(&mut self) {
        let panicking = thread::panicking();
        self.portal.stop(panicking);
        if panicking {
            // One panic is enough.
            if let Err(payload) = self.end() {
                dispose_of(payload);
            }
        } else if let Err(error) = self.join() {
            log::warn!("a portal ended with an error: {error}");
        }
    }
}
