//! Datagrams over UNIX sockets.

mod options;
mod packet;
mod socket;

pub use options::UnixDatagramOptions;
pub use packet::UnixPacket;
pub use socket::{ConnectedUnixDatagram, UnixDatagram};
