//! Sockets.

mod accepting;
mod addresses;
pub mod attribute;
mod connectable;
mod connecting;
mod credentials;
mod datagrams;
mod getaddrinfo;
mod getnameinfo;
mod inherited;
mod listening;
mod literal;
mod name_service;
mod passing;
mod receiving;
mod resolver;
mod send_file;
mod send_mode;
mod send_operation;
mod sending;
mod sending_soon;
mod socket;
mod soon;
mod stream_methods;
mod take_over;
mod tcp;
mod udp;
mod unix;
mod unix_address;
mod unix_binding;
mod unix_datagram;

pub use addresses::ToSocketAddrs;
pub use connectable::{AsConnectable, TcpConnectable, UnixConnectable, as_connectable};
pub use credentials::PeerCredentials;
pub use getaddrinfo::{
    AddressFamily, AddressInfo, AddressInfoFlags, GetAddressInfo, SocketType, getaddrinfo,
};
pub use getnameinfo::{NameInfoFlags, getnameinfo};
pub use inherited::{InheritedListener, InheritedSocket, listeners_from_environment};
use listening::may_listen;
pub use passing::ReceivedDescriptors;
pub(crate) use resolver::MakeResolver;
pub use resolver::{Resolved, Resolver, SystemResolver, resolve};
pub(crate) use tcp::resolved;
pub use tcp::{TcpConnectOptions, TcpListener, TcpListenerOptions, TcpReceiveHalf, TcpSendHalf, TcpStream};
pub use udp::{
    ConnectedUdpSocket, Datagram, Ecn, Interface, Segments, SendOptions, UdpSocket, UdpSocketOptions,
};
pub use unix::{UnixListener, UnixListenerOptions, UnixReceiveHalf, UnixSendHalf, UnixStream};
pub use unix_datagram::{ConnectedUnixDatagram, UnixDatagram, UnixDatagramOptions, UnixPacket};
