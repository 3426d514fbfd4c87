//! In place of a driver that this build has not.

use anyio_driver::{
    BufferId, BufferPool, Capabilities, Chunk, Completion, Driver, DriverStatistics, Op, OpKind, Rest, Token,
    Unparker, Wait,
};
use std::{io, os::fd::OwnedFd};

/// There is no value of it.
pub(crate) enum Absent {}

impl Driver for Absent {
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
