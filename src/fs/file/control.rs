//! What is done with a file besides reading and writing.

use super::File;
use crate::{
    error::Result,
    fs::{
        Metadata, Permissions,
        operations::{Effect, OnDescriptor, check_position},
        thread,
    },
    runtime::Operation,
};
use libc::c_int;
use std::{fs, time::SystemTime};

/// How a part of a file will be used. A hint, which may speed things up and never changes what they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// Nothing is known.
    Normal,
    /// From the beginning to the end.
    Sequential,
    /// At random places.
    Random,
    /// Only once.
    NoReuse,
    /// Soon, so it may be read ahead.
    WillNeed,
    /// Not soon, so the cache need not keep it.
    DontNeed,
}

impl File {
    /// Waits until contents and metadata are on the device.
    ///
    /// # Errors
    /// A cancellation, if it has not begun. [`Error::Io`](crate::Error::Io) if the data could not be written.
    ///
    /// # Cancel safety
    /// Once begun it is awaited.
    pub async fn sync_all(&self) -> Result<()> {
        self.effect("fsync", Effect::Synchronize { data_only: false }).await
    }

    /// Waits until the contents are on the device, with the metadata that reading them needs.
    ///
    /// # Errors
    /// As for [`sync_all`](Self::sync_all).
    ///
    /// # Cancel safety
    /// Once begun it is awaited.
    pub async fn sync_data(&self) -> Result<()> {
        self.effect("fdatasync", Effect::Synchronize { data_only: true }).await
    }

    /// Sets the file's length in bytes: cuts it off, or adds zeroes. The cursor stays.
    ///
    /// # Errors
    /// A cancellation, if it has not begun. [`Error::Io`](crate::Error::Io) if the system refuses.
    ///
    /// # Cancel safety
    /// Once begun it is awaited.
    pub async fn set_len(&self, length: u64) -> Result<()> {
        self.check_positions(&[length], "truncate")?;
        self.effect("truncate", Effect::Truncate { length }).await
    }

    /// Reserves room on the device for a part of the file, and makes the file longer if the part goes beyond its end.
    /// Offset and length are in bytes.
    ///
    /// # Errors
    /// A cancellation, if it has not begun. [`Error::Io`](crate::Error::Io) if there is no room, or the file system has
    /// no such thing.
    ///
    /// # Cancel safety
    /// Once begun it is awaited.
    pub async fn allocate(&self, offset: u64, length: u64) -> Result<()> {
        self.check_positions(&[offset, length], "allocate")?;
        self.effect("allocate", Effect::Allocate { mode: 0, offset, length }).await
    }

    /// Tells the system how a part of the file will be used. Offset and length are in bytes; a length of 0 means all
    /// that follows.
    ///
    /// # Errors
    /// A cancellation. [`Error::Io`](crate::Error::Io) for what is no file.
    ///
    /// # Cancel safety
    /// Once begun it is awaited.
    pub async fn advise(&self, offset: u64, length: u64, advice: Advice) -> Result<()> {
        let Some(advice) = advice_number(advice) else { return Ok(()) };
        self.check_positions(&[offset, length], "advise")?;
        self.effect("advise", Effect::Advise { offset, length, advice }).await
    }

    /// What is known of the file besides its contents.
    ///
    /// # Errors
    /// A cancellation. [`Error::Io`](crate::Error::Io) if the file system fails.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn metadata(&self) -> Result<Metadata> {
        let status = self.status().await;
        status.map(Metadata::new).map_err(|refusal| self.refused(refusal, "stat"))
    }

    /// Sets who may do what with the file.
    ///
    /// # Errors
    /// A cancellation, if it has not begun. [`Error::Io`](crate::Error::Io) if the system refuses.
    ///
    /// # Cancel safety
    /// Once begun it is awaited.
    pub async fn set_permissions(&self, permissions: Permissions) -> Result<()> {
        thread::with_file("chmod", &self.descriptor, self.subject(), |file| file.set_permissions(permissions))
            .await
    }

    /// Sets the file's owner and group, as numbers; `None` leaves one as it is.
    ///
    /// # Errors
    /// As for [`set_permissions`](Self::set_permissions).
    ///
    /// # Cancel safety
    /// Once begun it is awaited.
    pub async fn chown(&self, user: Option<u32>, group: Option<u32>) -> Result<()> {
        thread::with_file("chown", &self.descriptor, self.subject(), move |file| {
            std::os::unix::fs::fchown(file, user, group)
        })
        .await
    }

    /// Sets when the contents were last read and changed.
    ///
    /// # Errors
    /// As for [`set_permissions`](Self::set_permissions).
    ///
    /// # Cancel safety
    /// Once begun it is awaited.
    pub async fn set_times(&self, accessed: Option<SystemTime>, modified: Option<SystemTime>) -> Result<()> {
        let mut times = fs::FileTimes::new();
        times = accessed.map_or(times, |time| times.set_accessed(time));
        times = modified.map_or(times, |time| times.set_modified(time));
        thread::with_file("set the times of", &self.descriptor, self.subject(), move |file| {
            file.set_times(times)
        })
        .await
    }

    /// Refuses what no position or length in a file can be.
    fn check_positions(&self, numbers: &[u64], operation: &'static str) -> Result<()> {
        let checked = numbers.iter().try_for_each(|&number| check_position(number, 0));
        checked.map_err(|refusal| self.refused(refusal, operation))
    }

    /// Has the driver do something.
    async fn effect(&self, operation: &'static str, effect: Effect) -> Result<()> {
        let payload = OnDescriptor { descriptor: self.descriptor.clone(), effect };
        let answer = Operation::completing(payload).await;
        answer.map(drop).map_err(|refusal| self.refused(refusal, operation))
    }
}

#[cfg(not(target_vendor = "apple"))]
fn advice_number(advice: Advice) -> Option<c_int> {
    Some(match advice {
        Advice::Normal => libc::POSIX_FADV_NORMAL,
        Advice::Sequential => libc::POSIX_FADV_SEQUENTIAL,
        Advice::Random => libc::POSIX_FADV_RANDOM,
        Advice::NoReuse => libc::POSIX_FADV_NOREUSE,
        Advice::WillNeed => libc::POSIX_FADV_WILLNEED,
        Advice::DontNeed => libc::POSIX_FADV_DONTNEED,
    })
}

/// There is no such hint here.
#[cfg(target_vendor = "apple")]
fn advice_number(_advice: Advice) -> Option<c_int> {
    None
}
