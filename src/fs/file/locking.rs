//! Locks that programs agree upon.
//!
//! A wait for a lock in a thread cannot be interrupted, and a lock that came after its waiter has gone would never be
//! released. So the lock is tried, again and again, with pauses that a cancellation ends.

use super::File;
use crate::{
    error::{Error, Result},
    fs::thread,
    sleep,
};
use std::{fs, io, time::Duration};

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
        self.wait_for_lock(fs::File::try_lock).await
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
        self.wait_for_lock(fs::File::try_lock_shared).await
    }

    /// Takes the exclusive lock if nobody has one. Tells whether it did.
    ///
    /// # Errors
    /// As for [`lock`](Self::lock).
    ///
    /// # Cancel safety
    /// Once begun it is awaited.
    pub async fn try_lock(&self) -> Result<bool> {
        self.attempt_lock(fs::File::try_lock).await
    }

    /// Takes a shared lock if nobody has the exclusive one. Tells whether it did.
    ///
    /// # Errors
    /// As for [`lock`](Self::lock).
    ///
    /// # Cancel safety
    /// Once begun it is awaited.
    pub async fn try_lock_shared(&self) -> Result<bool> {
        self.attempt_lock(fs::File::try_lock_shared).await
    }

    /// Gives up all locks on this file.
    ///
    /// # Errors
    /// A cancellation, if it has not begun. [`Error::Io`] if the system refuses.
    ///
    /// # Cancel safety
    /// Once begun it is awaited.
    pub async fn unlock(&self) -> Result<()> {
        thread::with_file("unlock", &self.descriptor, self.subject(), fs::File::unlock).await
    }

    async fn attempt_lock(&self, attempt: fn(&fs::File) -> Result<(), fs::TryLockError>) -> Result<bool> {
        thread::with_file("lock", &self.descriptor, self.subject(), move |file| match attempt(file) {
            Ok(()) => io::Result::Ok(true),
            Err(fs::TryLockError::WouldBlock) => Ok(false),
            Err(fs::TryLockError::Error(error)) => Err(error),
        })
        .await
    }

    async fn wait_for_lock(&self, attempt: fn(&fs::File) -> Result<(), fs::TryLockError>) -> Result<()> {
        let mut pause = SHORTEST_PAUSE;
        while !self.attempt_lock(attempt).await? {
            sleep(pause).await.map_err(Error::from)?;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
        Ok(())
    }
}
