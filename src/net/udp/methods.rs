//! What both kinds of sockets can do.

/// Implements the methods of a socket that is a `Socket` behind one field.
macro_rules! methods {
    ($socket:ident, $is_connected:tt) => {
        impl $socket {
            /// Receives the next datagram.
            ///
            /// It takes `&self`, so that one task can receive while others send. The receive belongs to the socket, and
            /// what has come waits there: first with the runtime, which takes several from the system at once, and
            /// then with the system, until its buffer is full.
            ///
            /// # Errors
            #[doc = $crate::net::udp::methods::receive_errors!($is_connected)]
            /// [`Error::BusyResource`](crate::Error::BusyResource) if another task is receiving,
            /// [`Error::Cancelled`](crate::Error::Cancelled) if the scope is cancelled.
            ///
            /// # Cancel safety
            /// No datagram is lost, whether the scope is cancelled or the future dropped: the next call gets it.
            #[inline]
            pub fn receive(&self) -> impl Future<Output = Result<Datagram>> {
                self.socket.receive()
            }

            /// Receives the next datagram and those that have come by then, at most so many, and appends them to a list.
            /// Tells how many those are.
            ///
            /// # Errors
            /// As for [`receive`](Self::receive). What came before the error is in the list.
            ///
            /// # Cancel safety
            /// As for [`receive`](Self::receive).
            ///
            /// # Panics
            /// If `most` is 0.
            pub async fn receive_many(&self, datagrams: &mut Vec<Datagram>, most: usize) -> Result<usize> {
                self.socket.receive_many(datagrams, most).await
            }

            /// Receives the next datagram with those that the kernel has put together with it, where it was asked to
            /// ([`coalesce`](crate::net::UdpSocketOptions::coalesce)). Who looks at each of many datagrams only for a
            /// moment has less to do for them in this way than one by one.
            ///
            /// ```
            /// use anyio::net::{UdpSocket, UdpSocketOptions};
            ///
            /// # anyio::run(async || -> anyio::Result<()> {
            /// let server = UdpSocketOptions::new().coalesce(true).bind("127.0.0.1:0").await?;
            /// let client = UdpSocket::bind("127.0.0.1:0").await?;
            /// client.send_segments("onetwoend!", 3, server.local_addr()?).await?;
            /// let mut received = Vec::new();
            /// while received.len() < 4 {
            ///     let segments = server.receive_segments().await?;
            ///     received.extend(segments.iter().map(<[u8]>::to_vec));
            /// }
            /// assert_eq!(received, [&b"one"[..], b"two", b"end", b"!"]);
            /// # Ok(()) }).unwrap();
            /// ```
            ///
            /// # Errors
            /// As for [`receive`](Self::receive).
            ///
            /// # Cancel safety
            /// As for [`receive`](Self::receive). The two may be mixed: what the one has not given out comes by the next.
            #[inline]
            pub fn receive_segments(&self) -> impl Future<Output = Result<Segments>> {
                self.socket.receive_segments()
            }

            /// The address of this side.
            ///
            /// # Errors
            /// What the system says.
            pub fn local_addr(&self) -> Result<SocketAddr> {
                inet(calls::local_address(self.socket.descriptor()), "getsockname")
            }

            /// Whether the kernel takes several datagrams at once ([`SendOptions::segment_size`]). Where it does not,
            /// they are sent one by one. A device that cannot do it is found out when it is tried.
            pub fn has_segment_offload(&self) -> bool {
                self.socket.can_segment()
            }

            /// Sets how many routers a datagram may pass (time to live, hop limit).
            ///
            /// # Errors
            /// What the system says.
            pub fn set_hops(&self, hops: u32) -> Result<()> {
                option(self.socket.set_hops(hops), "IP_TTL")
            }

            /// Sets the type of service (IPv4) or traffic class (IPv6).
            ///
            /// # Errors
            /// What the system says.
            pub fn set_traffic_class(&self, class: u8) -> Result<()> {
                let socket = self.socket.descriptor();
                let set = host::set_traffic_class(Options::of(socket), self.socket.is_v6(), class);
                option(set, "IP_TOS")
            }

            /// Any other option of the socket, such as `set_broadcast`.
            pub fn options(&self) -> SockRef<'_> {
                self.socket.options()
            }

            /// Closes the socket and waits until that is done: then the port is free. Dropping it closes it too, in the
            /// background.
            ///
            /// # Errors
            /// What the operating system reports; the socket is closed all the same.
            ///
            /// # Cancel safety
            /// The socket is closed in any case, also in a cancelled scope and when the future is dropped.
            pub async fn close(self) -> Result<()> {
                self.socket.close().await
            }

            /// Gives the bare descriptor away, in blocking mode.
            ///
            /// # Errors
            /// Gives the socket back if a datagram was, or is being, received that nobody has taken, or if a send whose
            /// future was dropped has not ended.
            #[expect(clippy::result_large_err, reason = "the error is the socket itself")]
            pub fn into_owned(self) -> std::result::Result<OwnedFd, Self> {
                self.socket.into_owned().map_err(|socket| Self { socket })
            }
        }

        impl AsFd for $socket {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.socket.descriptor().as_fd()
            }
        }
    };
}

macro_rules! receive_errors {
    (true) => {
        "[`Error::Io`](crate::Error::Io) with what the network says of what was sent before, such as that nobody listens \
         there; the socket stays usable."
    };
    (false) => {
        "What the system says. What the network says of datagrams that were sent is no error here."
    };
}

pub(super) use {methods, receive_errors};
