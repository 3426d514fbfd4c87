//! What sockets of datagrams have in common, whatever their family.

mod header;
mod receiving;
mod sending;

pub(super) use header::Header;
pub(super) use receiving::{DatagramReceiving, Interpreter};
pub(super) use sending::{Sender, judge};
