//! Sockets for everybody.

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

/// A UDP socket that receives from and sends to everybody. It belongs to the run it was made in.
///
/// ```
/// use anyio::net::UdpSocket;
///
/// # anyio::run(async || -> anyio::Result<()> {
/// let server = UdpSocket::bind("127.0.0.1:0").await?;
/// let client = UdpSocket::bind("127.0.0.1:0").await?;
/// client.send_to("hello", server.local_addr()?).await?;
/// let datagram = server.receive().await?;
/// server.send_to(datagram.data, datagram.from).await?;
/// assert_eq!(client.receive().await?.data, "hello");
/// # Ok(()) }).unwrap();
/// ```
///
/// As a stream of objects these are bytes with the address of the other side.
pub struct UdpSocket {
    pub(super) socket: Socket,
}

methods!(UdpSocket, false);

impl UdpSocket {
    pub(super) fn from_descriptor(descriptor: Descriptor, is_v6: bool) -> Self {
        Self { socket: Socket::new(descriptor, false, is_v6) }
    }

    /// Takes over a socket.
    ///
    /// # Errors
    /// If the descriptor is no UDP socket, or is connected.
    pub fn from_owned(descriptor: OwnedFd) -> Result<Self> {
        let families = &[Domain::IPV4, Domain::IPV6];
        let descriptor = take_over(descriptor, Type::DGRAM, families, Role::Unconnected)?;
        let is_v6 = inet(calls::local_address(&descriptor), "getsockname")?.is_ipv6();
        Ok(Self::from_descriptor(descriptor, is_v6))
    }

    /// Sends a datagram. It waits only while the system has no room for it.
    ///
    /// Several tasks may send at the same time. What they send goes to the system together, in one turn.
    ///
    /// # Errors
    /// What the system says, such as `EMSGSIZE` for what is too long; [`Error::Cancelled`](crate::Error::Cancelled) if the scope is cancelled.
    ///
    /// # Cancel safety
    /// When the scope is cancelled, either the datagram was sent or the error comes. When the future is dropped, it may
    /// have been sent.
    #[inline]
    pub async fn send_to(&self, data: impl IoBuf, to: SocketAddr) -> Result<()> {
        judge(self.socket.sending(data, Some(to)).answer().await)
    }

    /// Sends several datagrams, in order, and takes those that were sent out of the list. The system gets up to 32 with each
    /// call, which costs it a good deal less than one by one.
    ///
    /// ```
    /// use anyio::net::UdpSocket;
    ///
    /// # anyio::run(async || -> anyio::Result<()> {
    /// let server = UdpSocket::bind("127.0.0.1:0").await?;
    /// let client = UdpSocket::bind("127.0.0.1:0").await?;
    /// let to = server.local_addr()?;
    /// client.send_many(&mut vec![("one", to), ("two", to)]).await?;
    ///
    /// // A server that answers all that has come together.
    /// let (mut questions, mut answers) = (Vec::new(), Vec::new());
    /// server.receive_many(&mut questions, 64).await?;
    /// answers.extend(questions.drain(..).map(|question| (question.data, question.from)));
    /// server.send_many(&mut answers).await?;
    /// assert_eq!(client.receive().await?.data, "one");
    /// # Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As for [`send_to`](Self::send_to), for the datagram that is the first of the list then.
    ///
    /// # Cancel safety
    /// What was sent is not in the list any more, and what is in it was not sent, unless the future is forgotten.
    pub async fn send_many<B: IoBuf>(&self, datagrams: &mut Vec<(B, SocketAddr)>) -> Result<()> {
        self.socket.send_many(datagrams, |(data, to)| (data.bytes(), Some(*to))).await
    }

    /// Sends a datagram and gives the buffer back.
    ///
    /// # Errors
    /// As for [`send_to`](Self::send_to); the buffer comes back all the same.
    ///
    /// # Cancel safety
    /// As for [`send_to`](Self::send_to). When the future is dropped the buffer is lost.
    #[inline]
    pub async fn send_buf_to<B: IoBuf>(&self, data: B, to: SocketAddr) -> (Result<()>, B) {
        let mut sending = self.socket.sending(data, Some(to));
        let answer = sending.answer().await;
        sending.end(answer)
    }

    /// Sends several datagrams to one address: the data in pieces of `segment_size` bytes, of which the last may be
    /// shorter. Where the system takes them at once (`UDP_SEGMENT`), it costs a fraction of the time. It is found out
    /// whether it does, and what does not work is done one by one.
    ///
    /// # Errors
    /// As for [`send_to`](Self::send_to). Some may have been sent before the one that failed.
    ///
    /// # Cancel safety
    /// When the scope is cancelled or the future dropped, some may have been sent.
    ///
    /// # Panics
    /// If `segment_size` is 0.
    pub async fn send_segments(&self, data: impl IoBuf, segment_size: usize, to: SocketAddr) -> Result<()> {
        self.send_with(data, to, SendOptions::new().segment_size(segment_size)).await
    }

    /// Sends as the options say.
    ///
    /// # Errors
    /// As for [`send_to`](Self::send_to), and if an address to send from cannot be had.
    ///
    /// # Cancel safety
    /// As for [`send_segments`](Self::send_segments).
    pub async fn send_with(&self, data: impl IoBuf, to: SocketAddr, options: SendOptions) -> Result<()> {
        self.socket.send_with(data, Some(to), options).await.0
    }

    /// Sends as the options say, and gives the buffer back.
    ///
    /// # Errors
    /// As for [`send_with`](Self::send_with); the buffer comes back all the same.
    ///
    /// # Cancel safety
    /// As for [`send_with`](Self::send_with). When the future is dropped the buffer is lost.
    pub async fn send_buf_with<B: IoBuf>(
        &self,
        data: B,
        to: SocketAddr,
        options: SendOptions,
    ) -> (Result<()>, B) {
        self.socket.send_with(data, Some(to), options).await
    }
}

/// Its items are the bytes and who sent them.
impl UnreliableObjectReceiveStream for UdpSocket {
    type Item = (Chunk, SocketAddr);

    async fn receive(&mut self) -> Result<Option<(Chunk, SocketAddr)>> {
        let datagram = self.socket.receive().await?;
        check_whole(datagram.truncated, datagram.data.len())?;
        Ok(Some((datagram.data, datagram.from)))
    }
}

/// The items are bytes and where to send them.
impl<B: IoBuf> UnreliableObjectSendStream<(B, SocketAddr)> for UdpSocket {
    async fn send(&mut self, (data, to): (B, SocketAddr)) -> Result<()> {
        self.send_to(data, to).await
    }
}

impl Attributes for UdpSocket {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        request.provide_if_known::<attribute::LocalAddress>(|| self.local_addr().ok());
        request.provide_if_known::<attribute::LocalPort>(|| Some(self.local_addr().ok()?.port()));
        request.provide_if_known::<attribute::Family>(|| attribute::family_of(self));
        request.provide::<RawDescriptor>(|| self.as_fd().as_raw_fd());
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket").field("local_addr", &self.local_addr().ok()).finish()
    }
}
