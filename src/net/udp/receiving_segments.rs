//! Receiving what came as one as one.

use super::{Segments, interpreter::UdpInterpreter};
use crate::{
    error::Result,
    message::ReceivedMessage,
    net::datagrams::DatagramReceiving,
    receiving::Keeper,
    runtime::{Core, WaitKey},
};
use std::cell::Cell;

/// Receives as many datagrams as came as one.
#[derive(Clone, Copy)]
pub(super) struct ReceivingSegments<'a>(pub(super) &'a DatagramReceiving<UdpInterpreter>);

impl Keeper for ReceivingSegments<'_> {
    type Item = Segments;
    type Ready = Option<ReceivedMessage>;

    const DOING: &'static str = <DatagramReceiving<UdpInterpreter> as Keeper>::DOING;

    #[inline]
    fn busy(&self) -> &Cell<bool> {
        self.0.busy()
    }

    #[inline]
    fn take_ready(&self, core: &Core) -> Option<Result<Self::Ready>> {
        self.0.take_ready(core)
    }

    #[inline]
    fn give(&self, _: &Core, ready: Self::Ready) -> Segments {
        self.0.interpreter().whole(ready)
    }

    #[inline]
    fn in_flight(&self) -> Option<WaitKey> {
        self.0.in_flight()
    }

    #[inline]
    fn begin(&self, core: &Core) -> (WaitKey, bool) {
        self.0.begin(core)
    }
}
