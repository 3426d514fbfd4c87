//! Sockets.

mod accepting;
mod addresses;
mod connecting;
mod listening;
mod sending;
mod serve;
mod socket;
mod stream_methods;
mod tcp;
mod unix;

pub use addresses::ToSocketAddrs;
pub use tcp::{TcpListener, TcpListenerOptions, TcpReceiveHalf, TcpSendHalf, TcpStream};
pub use unix::{UnixListener, UnixListenerOptions, UnixReceiveHalf, UnixSendHalf, UnixStream};
