//! UDP.

mod connected;
mod datagram;
mod host;
mod interpreter;
mod methods;
mod multicast;
mod options;
mod receiving_segments;
mod segments;
mod socket;
mod unconnected;

pub use connected::ConnectedUdpSocket;
pub use datagram::{Datagram, Ecn, SendOptions};
pub use multicast::Interface;
pub use options::UdpSocketOptions;
pub use segments::Segments;
pub use unconnected::UdpSocket;
