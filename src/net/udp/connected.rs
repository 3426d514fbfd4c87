//! Sockets for one peer.

use super::{Datagram, Segments, SendOptions, host, methods::methods, socket::Socket};
use crate::{
    error::Result,
    net::{
        attribute::{self, RawDescriptor},
        datagrams::{check_whole, judge},
        take_over::{Role, take_over},
        tcp::{inet, option},
    },
    runtime::{
        Descriptor,
        calls::{self, Options},
    },
    streams::{AttributeRequest, Attributes, UnreliableObjectReceiveStream, UnreliableObjectSendStream},
};
use anyio_driver::{Chunk, IoBuf};
use socket2::{Domain, SockRef, Type};
use std::{
    fmt,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

/// A UDP socket that receives from and sends to one peer. It belongs to the run it was made in.
///
/// ```
/// use anyio::net::{ConnectedUdpSocket, UdpSocket};
///
/// # anyio::run(async || -> anyio::Result<()> {
/// let server = UdpSocket::bind("127.0.0.1:0").await?;
/// let client = ConnectedUdpSocket::connect(server.local_addr()?).await?;
/// client.send("hello").await?;
/// let datagram = server.receive().await?;
/// assert_eq!((&*datagram.data, datagram.from), (&b"hello"[..], client.local_addr()?));
/// # Ok(()) }).unwrap();
/// ```
pub struct ConnectedUdpSocket {
    pub(super) socket: Socket,
}

methods!(ConnectedUdpSocket, true);

impl ConnectedUdpSocket {
    pub(super) fn from_descriptor(descriptor: Descriptor, is_v6: bool) -> Self {
        Self { socket: Socket::new(descriptor, true, is_v6) }
    }

    /// Takes over a socket.
    ///
    /// # Errors
    /// If the descriptor is no UDP socket, or is not connected.
    pub fn from_owned(descriptor: OwnedFd) -> Result<Self> {
        let families = &[Domain::IPV4, Domain::IPV6];
        let descriptor = take_over(descriptor, Type::DGRAM, families, Role::Connected)?;
        let is_v6 = inet(calls::local_address(&descriptor), "getsockname")?.is_ipv6();
        Ok(Self::from_descriptor(descriptor, is_v6))
    }

    /// The peer's address.
    ///
    /// # Errors
    /// What the system says.
    pub fn peer_addr(&self) -> Result<SocketAddr> {
        inet(calls::peer_address(self.socket.descriptor()), "getpeername")
    }

    /// Sends a datagram. It waits only while the system has no room for it.
    ///
    /// Several tasks may send at the same time. What they send goes to the system together, in one turn.
    ///
    /// # Errors
    /// What the system says, such as `EMSGSIZE` for what is too long, and what the network says of what was sent before,
    /// such as that nobody listens there: then this datagram was not sent, and the socket stays usable. What the network says
    /// while several go to the system together is known to the kernel alone.
    /// [`Error::Cancelled`](crate::Error::Cancelled) if the scope is cancelled.
    ///
    /// # Cancel safety
    /// When the scope is cancelled, either the datagram was sent or the error comes. When the future is dropped, it may
    /// have been sent.
    #[inline]
    pub async fn send(&self, data: impl IoBuf) -> Result<()> {
        judge(self.socket.sending(data, None).answer().await)
    }

    /// Sends several datagrams, in order, and takes those that were sent out of the list. The system gets up to 32 with each
    /// call, which costs it a good deal less than one by one.
    ///
    /// # Errors
    /// As for [`send`](Self::send), for the datagram that is the first of the list then.
    ///
    /// # Cancel safety
    /// What was sent is not in the list any more, and what is in it was not sent, unless the future is forgotten.
    pub async fn send_many<B: IoBuf>(&self, datagrams: &mut Vec<B>) -> Result<()> {
        self.socket.send_many(datagrams, |data| (data.bytes(), None)).await
    }

    /// Sends a datagram and gives the buffer back.
    ///
    /// # Errors
    /// As for [`send`](Self::send); the buffer comes back all the same.
    ///
    /// # Cancel safety
    /// As for [`send`](Self::send). When the future is dropped the buffer is lost.
    #[inline]
    pub async fn send_buf<B: IoBuf>(&self, data: B) -> (Result<()>, B) {
        let mut sending = self.socket.sending(data, None);
        let answer = sending.answer().await;
        sending.end(answer)
    }

    /// Sends several datagrams: the data in pieces of `segment_size` bytes. See
    /// [`UdpSocket::send_segments`](super::UdpSocket::send_segments).
    ///
    /// # Errors
    /// As for [`send`](Self::send). Some may have been sent before the one that failed.
    ///
    /// # Cancel safety
    /// When the scope is cancelled or the future dropped, some may have been sent.
    ///
    /// # Panics
    /// If `segment_size` is 0.
    pub async fn send_segments(&self, data: impl IoBuf, segment_size: usize) -> Result<()> {
        self.send_with(data, SendOptions::new().segment_size(segment_size)).await
    }

    /// Sends as the options say.
    ///
    /// # Errors
    /// As for [`send`](Self::send), and if an address to send from cannot be had.
    ///
    /// # Cancel safety
    /// As for [`send_segments`](Self::send_segments).
    pub async fn send_with(&self, data: impl IoBuf, options: SendOptions) -> Result<()> {
        self.socket.send_with(data, None, options).await.0
    }

    /// Sends as the options say, and gives the buffer back.
    ///
    /// # Errors
    /// As for [`send_with`](Self::send_with); the buffer comes back all the same.
    ///
    /// # Cancel safety
    /// As for [`send_with`](Self::send_with). When the future is dropped the buffer is lost.
    pub async fn send_buf_with<B: IoBuf>(&self, data: B, options: SendOptions) -> (Result<()>, B) {
        self.socket.send_with(data, None, options).await
    }

    /// How many bytes a packet may have on the way to the peer, headers included, as far as is known. Linux only. A socket that is
    /// not connected sends by many ways; what is known of one of them a connected socket tells, as the system keeps it for all.
    ///
    /// # Errors
    /// What the system says.
    pub fn path_mtu(&self) -> Result<u32> {
        option(host::path_mtu(self.as_fd(), self.socket.is_v6()), "IP_MTU")
    }
}

/// Its items are the bytes.
impl UnreliableObjectReceiveStream for ConnectedUdpSocket {
    type Item = Chunk;

    async fn receive(&mut self) -> Result<Option<Chunk>> {
        let datagram = self.socket.receive().await?;
        check_whole(datagram.truncated, datagram.data.len())?;
        Ok(Some(datagram.data))
    }
}

impl<B: IoBuf> UnreliableObjectSendStream<B> for ConnectedUdpSocket {
    async fn send(&mut self, data: B) -> Result<()> {
        judge(self.socket.sending(data, None).answer().await)
    }
}

impl Attributes for ConnectedUdpSocket {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        request.provide_if_known::<attribute::LocalAddress>(|| self.local_addr().ok());
        request.provide_if_known::<attribute::LocalPort>(|| Some(self.local_addr().ok()?.port()));
        request.provide_if_known::<attribute::RemoteAddress>(|| self.peer_addr().ok());
        request.provide_if_known::<attribute::RemotePort>(|| Some(self.peer_addr().ok()?.port()));
        request.provide_if_known::<attribute::Family>(|| attribute::family_of(self));
        request.provide::<RawDescriptor>(|| self.as_fd().as_raw_fd());
    }
}

impl fmt::Debug for ConnectedUdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectedUdpSocket")
            .field("local_addr", &self.local_addr().ok())
            .field("peer_addr", &self.peer_addr().ok())
            .finish()
    }
}
