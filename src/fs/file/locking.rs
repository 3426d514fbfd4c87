//! Locks that programs agree upon.
//!
//! A wait for a lock in a thread cannot be interrupted, and a lock that came after its waiter has gone would never be
//! released. So the lock is tried, again and again, with pauses that a cancellation ends.
//!
//! # Contract
//! Locks are asked for by the numbers of open files only.

use super::File;
use crate::{
    error::{Error, Result},
    fs::thread,
    sleep,
};
use libc::c_int;
use std::{fs, io, os::fd::AsRawFd, time::Duration};

/// The first pause between two tries; each is twice as long as the one before.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(32);

impl File {
    /// Waits for the exclusive lock on this file. It keeps nobody from reading or writing, only from getting a lock, and
    /// it ends with [`unlock`](Self::unlock) or when the file and its clones are closed. A lock that is held already
    /// becomes an exclusive one.
    ///
    /// It is tried at intervals of at most 32 ms.
    ///
    /// # Errors
    /// A cancellation. [`Error::Io`] if the system refuses.
    ///
    /// # Cancel safety
    /// The lock is not held when it is cancelled. If the future is dropped while a try is under way, it may be.
    pub async fn lock(&self) -> Result<()> {
        self.wait_for_lock(libc::LOCK_EX).await
    }

    /// Waits for a shared lock on this file: many can hold one, unless someone has the exclusive one. Otherwise as
    /// [`lock`](Self::lock).
    ///
    /// # Errors
    /// As for [`lock`](Self::lock).
    ///
    /// # Cancel safety
    /// As for [`lock`](Self::lock).
    pub async fn lock_shared(&self) -> Result<()> {
        self.wait_for_lock(libc::LOCK_SH).await
    }

    /// Takes the exclusive lock if nobody has one. Tells whether it did.
    ///
    /// # Errors
    /// As for [`lock`](Self::lock).
    ///
    /// # Cancel safety
    /// Once begun it is awaited.
    pub async fn try_lock(&self) -> Result<bool> {
        self.attempt_lock(libc::LOCK_EX).await
    }

    /// Takes a shared lock if nobody has the exclusive one. Tells whether it did.
    ///
    /// # Errors
    /// As for [`lock`](Self::lock).
    ///
    /// # Cancel safety
    /// Once begun it is awaited.
    pub async fn try_lock_shared(&self) -> Result<bool> {
        self.attempt_lock(libc::LOCK_SH).await
    }

    /// Gives up all locks on this file.
    ///
    /// # Errors
    /// A cancellation, if it has not begun. [`Error::Io`] if the system refuses.
    ///
    /// # Cancel safety
    /// Once begun it is awaited.
    pub async fn unlock(&self) -> Result<()> {
        thread::with_file("unlock", &self.descriptor, self.subject(), |file| flock(file, libc::LOCK_UN)).await
    }

    async fn attempt_lock(&self, kind: c_int) -> Result<bool> {
        thread::with_file("lock", &self.descriptor, self.subject(), move |file| {
            match flock(file, kind | libc::LOCK_NB) {
                Ok(()) => io::Result::Ok(true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }

    async fn wait_for_lock(&self, kind: c_int) -> Result<()> {
        let mut pause = SHORTEST_PAUSE;
        while !self.attempt_lock(kind).await? {
            sleep(pause).await.map_err(Error::from)?;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
        Ok(())
    }
}

/// The system's locks on open files. A signal that comes meanwhile changes nothing.
fn flock(file: &fs::File, operation: c_int) -> io::Result<()> {
    loop {
        // SAFETY: the descriptor is open; no memory is named.
        if unsafe { libc::flock(file.as_raw_fd(), operation) } == 0 {
            return Ok(());
        }
        match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => {}
            error => return Err(error),
        }
    }
}
