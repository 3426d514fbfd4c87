//! What sockets of datagrams have in common, whatever their family.

mod buffer_sizes;
mod destination;
mod header;
mod message_room;
mod network_error;
mod receiving;
mod room;
mod sending;
mod sending_many;
mod socket;

pub(super) use buffer_sizes::BufferSizes;
pub(super) use header::Header;
pub(super) use receiving::{DatagramReceiving, Interpreter};
pub(super) use sending::{Sender, Sending, judge};
pub(super) use socket::{DatagramSocket, check_whole};
