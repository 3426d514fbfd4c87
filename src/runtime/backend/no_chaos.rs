//! Builds without the feature `chaos`.

use super::AnyDriver;
use anyio_driver::{
    BufferId, BufferPool, Capabilities, Chunk, Completion, Driver, DriverStatistics, Op, OpKind, Rest, Token,
    Unparker, Wait,
};
use std::{io, os::fd::OwnedFd, time::Duration};

/// There is none, and no value of it.
pub(crate) enum ChaosDriver {}

/// Nothing is to happen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disturbance;

impl Disturbance {
    /// The driver as it is.
    pub(crate) fn wrap(&self, driver: AnyDriver) -> AnyDriver {
        self.driver().map_or(driver, AnyDriver::Chaos)
    }

    /// None.
    fn driver(&self) -> Option<ChaosDriver> {
        None
    }

    /// No seed.
    pub(crate) fn shuffle(&self) -> Option<u64> {
        None
    }
}

impl AnyDriver {
    /// Nobody asks.
    pub(in crate::runtime) fn note_time(&mut self, _passed: Duration) {}

    /// Nothing was to happen.
    ///
    /// # Errors
    /// None.
    pub(crate) fn check(&self) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn backend_below(driver: &ChaosDriver) -> super::Backend {
        match *driver {}
    }
}

impl Driver for ChaosDriver {
    unsafe fn submit(&mut self, _token: Token, _op: Op) {
        match *self {}
    }

    fn cancel(&mut self, _token: Token) {
        match *self {}
    }

    fn withdraw(&mut self, _token: Token, _completions: &mut Vec<Completion>) {
        match *self {}
    }

    fn turn(&mut self, _wait: Wait, _completions: &mut Vec<Completion>) -> io::Result<()> {
        match *self {}
    }

    fn event_source(&mut self) -> io::Result<OwnedFd> {
        match *self {}
    }

    fn rest(&mut self) -> Rest {
        match *self {}
    }

    fn in_flight(&self) -> usize {
        match *self {}
    }

    fn unparker(&self) -> Unparker {
        match *self {}
    }

    fn take_buffer(&mut self, _buffer: BufferId, _length: usize) -> Chunk {
        match *self {}
    }

    fn message_pool(&mut self) -> &BufferPool {
        match *self {}
    }

    fn message_buffers_in_use(&self) -> usize {
        match *self {}
    }

    fn pool(&self) -> &BufferPool {
        match *self {}
    }

    fn capabilities(&self) -> Capabilities {
        match *self {}
    }

    fn supports(&self, _kind: OpKind) -> bool {
        match *self {}
    }

    fn statistics(&self) -> DriverStatistics {
        match *self {}
    }
}
