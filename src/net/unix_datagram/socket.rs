//! The sockets.

use super::{
    UnixPacket,
    packet::{self, UnixInterpreter},
};
use crate::{
    error::{Error, Result},
    message::WITHOUT_RIGHTS,
    net::{
        PeerCredentials, ReceivedDescriptors,
        attribute::{self, RawDescriptor},
        credentials,
        datagrams::{DatagramReceiving, DatagramSocket, Sender, check_whole, judge},
        passing,
        take_over::{Role, take_over},
        unix_address,
    },
    runtime::{Descriptor, calls},
    streams::{AttributeRequest, Attributes, UnreliableObjectReceiveStream, UnreliableObjectSendStream},
};
use anyio_driver::{Chunk, Held, IoBuf};
use socket2::{Domain, SockAddr, SockRef, Type};
use std::{
    fmt, io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::net::SocketAddr,
    },
    path::{Path, PathBuf},
};

/// A UNIX socket of datagrams.
struct Socket(DatagramSocket<UnixInterpreter>);

impl Socket {
    fn new(descriptor: Descriptor, is_connected: bool) -> Self {
        let receiving =
            DatagramReceiving::new(descriptor.clone(), UnixInterpreter, &WITHOUT_RIGHTS, is_connected);
        // The network says nothing of what is sent here.
        Self(DatagramSocket::new(receiving, Sender::new(descriptor, true)))
    }

    fn receiving(&self) -> &DatagramReceiving<UnixInterpreter> {
        &self.0.receiving
    }

    async fn send<B: IoBuf>(&self, data: B, to: Option<io::Result<SockAddr>>) -> (Result<()>, B) {
        match to.transpose() {
            Ok(to) => {
                let mut sending = self.0.sender.begin_whole(data, |header| header.to.set(to));
                let answer = sending.answer().await;
                sending.end(answer)
            }
            Err(error) => (Err(Error::of_stream(error, "send")), data),
        }
    }

    async fn send_fds(
        &self,
        data: impl IoBuf,
        descriptors: &[impl AsFd],
        to: Option<io::Result<SockAddr>>,
    ) -> Result<()> {
        let to = to.transpose().map_err(|error| Error::of_stream(error, "send"))?;
        let copies = passing::copies(descriptors)?;
        let data = Held::new(data);
        let part = 0..data.get().length();
        judge(self.0.sender.begin_owning(data, part, copies, to).answer().await)
    }
}

/// Implements what both kinds of sockets can do.
macro_rules! methods {
    ($socket:ident) => {
        impl $socket {
            /// Receives the next datagram. Descriptors that came with it are closed.
            ///
            /// It takes `&self`, so that one task can receive while others send. The receive belongs to the socket.
            ///
            /// # Errors
            /// What the system says. [`Error::BusyResource`] if another task is receiving, [`Error::Cancelled`] if the
            /// scope is cancelled.
            ///
            /// # Cancel safety
            /// No datagram is lost, whether the scope is cancelled or the future dropped: the next call gets it.
            pub async fn receive(&self) -> Result<UnixPacket> {
                packet::receive(self.0.receiving()).await
            }

            /// Receives the next datagram, with the descriptors that came with it, 253 at most. They are owned at once, and
            /// closed on exec.
            ///
            /// What had come while nobody but [`receive`](Self::receive) was waiting has lost its descriptors.
            ///
            /// # Errors
            /// As for [`receive`](Self::receive).
            ///
            /// # Cancel safety
            /// As for [`receive`](Self::receive). Descriptors wait with their datagram, and are closed with the socket.
            pub async fn receive_fds(&self) -> Result<(UnixPacket, ReceivedDescriptors)> {
                packet::receive_fds(self.0.receiving()).await
            }

            /// The path of this side, if it has one. That of an abstract name begins with a zero byte.
            ///
            /// # Errors
            /// What the system says.
            pub fn local_path(&self) -> Result<Option<PathBuf>> {
                unix_address::path_of(calls::local_address(self.0.0.descriptor()), "getsockname")
            }

            /// Any option of the socket.
            pub fn options(&self) -> SockRef<'_> {
                self.0.0.options()
            }

            /// Closes the socket and waits until that is done. Dropping it closes it too, in the background. Its file
            /// stays.
            ///
            /// # Errors
            /// What the operating system reports; the socket is closed all the same.
            ///
            /// # Cancel safety
            /// The socket is closed in any case, also in a cancelled scope and when the future is dropped.
            pub async fn close(self) -> Result<()> {
                self.0.0.close().await
            }

            /// Gives the bare descriptor away, in blocking mode.
            ///
            /// # Errors
            /// Gives the socket back if a datagram was, or is being, received that nobody has taken, or if a send whose
            /// future was dropped has not ended.
            #[expect(clippy::result_large_err, reason = "the error is the socket itself")]
            pub fn into_owned(self) -> std::result::Result<OwnedFd, Self> {
                self.0.0.into_owned().map_err(|both| Self(Socket(both)))
            }

            pub(super) fn from_descriptor(descriptor: Descriptor) -> Self {
                Self(Socket::new(descriptor, Self::IS_CONNECTED))
            }
        }

        impl AsFd for $socket {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.0.descriptor().as_fd()
            }
        }
    };
}

methods!(UnixDatagram);
methods!(ConnectedUnixDatagram);

/// A UNIX datagram socket that receives from and sends to everybody on this host. It belongs to the run it was made in.
///
/// ```
/// use anyio::net::UnixDatagram;
///
/// # anyio::run(async || -> anyio::Result<()> {
/// # let folder = anyio::tempfile::TemporaryDirectory::new().await?;
/// # let path = folder.path().join("server");
/// let server = UnixDatagram::bind(&path).await?;
/// UnixDatagram::unbound()?.send_to("hello", &path).await?;
/// assert_eq!(server.receive().await?.data, "hello");
/// # Ok(()) }).unwrap();
/// ```
pub struct UnixDatagram(Socket);

impl UnixDatagram {
    const IS_CONNECTED: bool = false;

    /// Takes over a socket.
    ///
    /// # Errors
    /// If the descriptor is no UNIX datagram socket, or is connected.
    pub fn from_owned(descriptor: OwnedFd) -> Result<Self> {
        let descriptor = take_over(descriptor, Type::DGRAM, &[Domain::UNIX], Role::Unconnected)?;
        Ok(Self::from_descriptor(descriptor))
    }

    /// Sends a datagram to the socket of this path. It waits while there is no room in the receiver's queue. Several tasks
    /// may send at the same time.
    ///
    /// # Errors
    /// What the system says, for example that there is no such file, that nobody has it open (`ECONNREFUSED`), or that the
    /// datagram is too long (`EMSGSIZE`), or that there is no descriptor left (`EMFILE`): to wait for room with the receiver
    /// takes one. [`Error::Cancelled`] if the scope is cancelled.
    ///
    /// # Cancel safety
    /// When the scope is cancelled, either the datagram was sent or the error comes. When the future is dropped, it may
    /// have been sent.
    pub async fn send_to(&self, data: impl IoBuf, path: impl AsRef<Path>) -> Result<()> {
        self.0.send(data, Some(unix_address::of_path(path))).await.0
    }

    /// Sends a datagram to whoever has sent one.
    ///
    /// # Errors
    /// As for [`send_to`](Self::send_to), and if the socket has no name.
    ///
    /// # Cancel safety
    /// As for [`send_to`](Self::send_to).
    pub async fn answer(&self, data: impl IoBuf, to: &SocketAddr) -> Result<()> {
        self.0.send(data, Some(unix_address::to_sender(to))).await.0
    }

    /// Sends a datagram with descriptors, which the receiver gets copies of.
    ///
    /// # Errors
    /// As for [`send_to`](Self::send_to), and if there are no descriptors or more than 253, or too few are left for copies
    /// of them.
    ///
    /// # Cancel safety
    /// As for [`send_to`](Self::send_to).
    pub async fn send_fds_to(
        &self,
        data: impl IoBuf,
        descriptors: &[impl AsFd],
        path: impl AsRef<Path>,
    ) -> Result<()> {
        self.0.send_fds(data, descriptors, Some(unix_address::of_path(path))).await
    }
}

/// A UNIX datagram socket that receives from and sends to one peer. It belongs to the run it was made in.
///
/// ```
/// use anyio::net::ConnectedUnixDatagram;
///
/// # anyio::run(async || -> anyio::Result<()> {
/// let (one, other) = ConnectedUnixDatagram::pair()?;
/// one.send("hello").await?;
/// assert_eq!(other.receive().await?.data, "hello");
/// # Ok(()) }).unwrap();
/// ```
pub struct ConnectedUnixDatagram(Socket);

impl ConnectedUnixDatagram {
    const IS_CONNECTED: bool = true;

    /// Two sockets that are connected to each other.
    ///
    /// # Errors
    /// What the system says.
    pub fn pair() -> Result<(Self, Self)> {
        let (one, other) = calls::pair(Type::DGRAM)
            .map_err(|error| Error::of_operation(error, "make", "a pair of sockets"))?;
        let adopt = |socket: OwnedFd| Self::from_descriptor(Descriptor::adopt(socket));
        Ok((adopt(one), adopt(other)))
    }

    /// Takes over a socket.
    ///
    /// # Errors
    /// If the descriptor is no UNIX datagram socket, or is not connected.
    pub fn from_owned(descriptor: OwnedFd) -> Result<Self> {
        let descriptor = take_over(descriptor, Type::DGRAM, &[Domain::UNIX], Role::Connected)?;
        Ok(Self::from_descriptor(descriptor))
    }

    /// Sends a datagram. It waits while there is no room in the receiver's queue. Several tasks may send at the same time.
    ///
    /// # Errors
    /// What the system says, for example that the peer is gone (`ECONNREFUSED`), or that the datagram is too long
    /// (`EMSGSIZE`). [`Error::Cancelled`] if the scope is cancelled.
    ///
    /// # Cancel safety
    /// When the scope is cancelled, either the datagram was sent or the error comes. When the future is dropped, it may
    /// have been sent.
    pub async fn send(&self, data: impl IoBuf) -> Result<()> {
        self.0.send(data, None).await.0
    }

    /// Sends a datagram and gives the buffer back.
    ///
    /// # Errors
    /// As for [`send`](Self::send); the buffer comes back all the same.
    ///
    /// # Cancel safety
    /// As for [`send`](Self::send). When the future is dropped the buffer is lost.
    pub async fn send_buf<B: IoBuf>(&self, data: B) -> (Result<()>, B) {
        self.0.send(data, None).await
    }

    /// Sends a datagram with descriptors, which the receiver gets copies of.
    ///
    /// # Errors
    /// As for [`send`](Self::send), and if there are no descriptors or more than 253, or too few are left for copies of
    /// them.
    ///
    /// # Cancel safety
    /// As for [`send`](Self::send).
    pub async fn send_fds(&self, data: impl IoBuf, descriptors: &[impl AsFd]) -> Result<()> {
        self.0.send_fds(data, descriptors, None).await
    }

    /// The path of the peer, if it has one. That of an abstract name begins with a zero byte.
    ///
    /// # Errors
    /// What the system says.
    pub fn peer_path(&self) -> Result<Option<PathBuf>> {
        unix_address::path_of(calls::peer_address(self.0.0.descriptor()), "getpeername")
    }

    /// Who has made the pair that this socket is of. Of other datagram sockets the system does not know.
    ///
    /// # Errors
    /// What the system says.
    pub fn peer_credentials(&self) -> Result<Option<PeerCredentials>> {
        let found =
            credentials::of_peer(self.as_fd()).map_err(|error| Error::of_stream(error, "SO_PEERCRED"))?;
        Ok((found.user != u32::MAX).then_some(found))
    }
}

/// Its items are the bytes and who sent them.
impl UnreliableObjectReceiveStream for UnixDatagram {
    type Item = (Chunk, SocketAddr);

    async fn receive(&mut self) -> Result<Option<(Chunk, SocketAddr)>> {
        let packet = packet::receive(self.0.receiving()).await?;
        check_whole(packet.truncated, packet.data.len())?;
        Ok(Some((packet.data, packet.from)))
    }
}

/// The items are bytes and whom to send them.
impl<B: IoBuf> UnreliableObjectSendStream<(B, SocketAddr)> for UnixDatagram {
    async fn send(&mut self, (data, to): (B, SocketAddr)) -> Result<()> {
        self.answer(data, &to).await
    }
}

/// Its items are the bytes.
impl UnreliableObjectReceiveStream for ConnectedUnixDatagram {
    type Item = Chunk;

    async fn receive(&mut self) -> Result<Option<Chunk>> {
        let packet = packet::receive(self.0.receiving()).await?;
        check_whole(packet.truncated, packet.data.len())?;
        Ok(Some(packet.data))
    }
}

impl<B: IoBuf> UnreliableObjectSendStream<B> for ConnectedUnixDatagram {
    async fn send(&mut self, data: B) -> Result<()> {
        self.0.send(data, None).await.0
    }
}

impl Attributes for UnixDatagram {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        request.provide_if_known::<attribute::LocalPath>(|| self.local_path().ok().flatten());
        request.provide_if_known::<attribute::Family>(|| attribute::family_of(self));
        request.provide::<RawDescriptor>(|| self.as_fd().as_raw_fd());
    }
}

impl Attributes for ConnectedUnixDatagram {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        request.provide_if_known::<attribute::LocalPath>(|| self.local_path().ok().flatten());
        request.provide_if_known::<attribute::RemotePath>(|| self.peer_path().ok().flatten());
        request.provide_if_known::<attribute::Peer>(|| self.peer_credentials().ok().flatten());
        request.provide_if_known::<attribute::Family>(|| attribute::family_of(self));
        request.provide::<RawDescriptor>(|| self.as_fd().as_raw_fd());
    }
}

impl fmt::Debug for UnixDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixDatagram").field("local_path", &self.local_path().ok().flatten()).finish()
    }
}

impl fmt::Debug for ConnectedUnixDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectedUnixDatagram")
            .field("local_path", &self.local_path().ok().flatten())
            .field("peer_path", &self.peer_path().ok().flatten())
            .finish()
    }
}
