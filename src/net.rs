//! Sockets.

mod accepting;
mod addresses;
pub mod attribute;
mod connectable;
mod connecting;
mod credentials;
mod listening;
mod sending;
mod socket;
mod stream_methods;
mod tcp;
mod unix;

pub use addresses::ToSocketAddrs;
pub use connectable::{TcpConnectable, UnixConnectable};
pub use credentials::PeerCredentials;
pub use tcp::{TcpListener, TcpListenerOptions, TcpReceiveHalf, TcpSendHalf, TcpStream};
pub use unix::{UnixListener, UnixListenerOptions, UnixReceiveHalf, UnixSendHalf, UnixStream};
