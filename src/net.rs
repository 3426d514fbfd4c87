//! Sockets.

mod accepting;
mod addresses;
pub mod attribute;
mod connectable;
mod connecting;
mod credentials;
mod getaddrinfo;
mod getnameinfo;
mod idna;
mod inherited;
mod listening;
mod name_service;
mod resolver;
mod sending;
mod socket;
mod stream_methods;
mod tcp;
mod unix;

pub use addresses::ToSocketAddrs;
pub use connectable::{AsConnectable, TcpConnectable, UnixConnectable, as_connectable};
pub use credentials::PeerCredentials;
pub use getaddrinfo::{
    AddressFamily, AddressInfo, AddressInfoFlags, GetAddressInfo, SocketType, getaddrinfo,
};
pub use getnameinfo::{NameInfoFlags, getnameinfo};
pub use inherited::{InheritedListener, InheritedSocket, listeners_from_environment};
use listening::may_listen;
pub(crate) use resolver::MakeResolver;
pub use resolver::{Resolved, Resolver, SystemResolver, resolve};
pub use tcp::{TcpConnectOptions, TcpListener, TcpListenerOptions, TcpReceiveHalf, TcpSendHalf, TcpStream};
pub use unix::{UnixListener, UnixListenerOptions, UnixReceiveHalf, UnixSendHalf, UnixStream};
