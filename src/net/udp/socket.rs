//! What both kinds of UDP sockets are.

use super::{
    Datagram, SendOptions, host,
    interpreter::{FORM, UdpInterpreter},
    receiving_segments::ReceivingSegments,
};
use crate::{
    error::{Error, Result},
    net::datagrams::{DatagramReceiving, DatagramSocket, Header, Sender, Sending, judge},
    receiving::Receive,
    runtime::{
        Descriptor, Refusal,
        calls::{self, Options},
    },
};
use anyio_driver::{Held, IoBuf};
use socket2::SockRef;
use std::{
    cell::Cell,
    io,
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
};

/// The most datagrams that the kernel takes at once.
const MOST_SEGMENTS: usize = 64;

/// The most bytes that it takes at once, of either family.
const MOST_BYTES: usize = 65_487;

/// A UDP socket.
pub(super) struct Socket {
    both: DatagramSocket<UdpInterpreter>,
    is_v6: bool,
    /// Whether several datagrams can be sent at once, once that was found out.
    segments: Cell<Option<bool>>,
}

impl Socket {
    pub(super) fn new(descriptor: Descriptor, is_connected: bool, is_v6: bool) -> Self {
        let interpreter = UdpInterpreter::default();
        let receiving = DatagramReceiving::new(descriptor.clone(), interpreter, &FORM, is_connected);
        Self {
            both: DatagramSocket::new(receiving, Sender::new(descriptor, is_connected)),
            is_v6,
            segments: Cell::new(None),
        }
    }

    pub(super) fn descriptor(&self) -> &Descriptor {
        self.both.descriptor()
    }

    pub(super) fn options(&self) -> SockRef<'_> {
        self.both.options()
    }

    pub(super) fn is_v6(&self) -> bool {
        self.is_v6
    }

    #[inline]
    pub(super) fn receive(&self) -> Receive<&DatagramReceiving<UdpInterpreter>> {
        self.both.receiving.receive()
    }

    #[inline]
    pub(super) fn receive_segments(&self) -> Receive<ReceivingSegments<'_>> {
        Receive::new(ReceivingSegments(&self.both.receiving))
    }

    pub(super) async fn receive_many(&self, datagrams: &mut Vec<Datagram>, most: usize) -> Result<usize> {
        assert!(most > 0, "receiving no datagram at all would wait for nothing");
        datagrams.push(self.receive().await?);
        let more = self.both.receiving.take_what_has_come(most - 1, |datagram| datagrams.push(datagram))?;
        Ok(1 + more)
    }

    pub(super) async fn send_many<T>(
        &self,
        list: &mut Vec<T>,
        parts: impl Fn(&T) -> (&[u8], Option<SocketAddr>),
    ) -> Result<()> {
        self.both.sender.send_many(list, parts).await
    }

    /// Whether the kernel takes several datagrams at once.
    pub(super) fn can_segment(&self) -> bool {
        self.segments.get().unwrap_or_else(|| {
            let can = host::can_segment(self.descriptor().as_fd());
            self.segments.set(Some(can));
            can
        })
    }

    /// One datagram, to be sent.
    #[inline]
    pub(super) fn sending<B: IoBuf>(&self, data: B, to: Option<SocketAddr>) -> Sending<'_, B> {
        self.both.sender.begin_whole(data, |header| header.to.set_internet(to))
    }

    /// Sends one datagram, or several if the options say so.
    pub(super) async fn send_with<B: IoBuf>(
        &self,
        data: B,
        to: Option<SocketAddr>,
        options: SendOptions,
    ) -> (Result<()>, B) {
        let is_v4 = match self.check(to, &options) {
            Ok(is_v4) => is_v4,
            Err(error) => return (Err(Error::of_stream(error, "send")), data),
        };
        let data = Held::new(data);
        let length = data.get().length();
        match options.segment_size {
            Some(size) if size < length => self.send_segments(data, size, (to, is_v4), &options).await,
            _ => {
                let fill = |header: &mut Header| fill(header, (to, is_v4), &options);
                let mut sending = self.both.sender.begin(data, 0..length, fill);
                let answer = sending.answer().await;
                sending.end(answer)
            }
        }
    }

    /// Sends several datagrams, as many at once as the kernel takes.
    async fn send_segments<B: IoBuf>(
        &self,
        mut data: Held<B>,
        size: usize,
        way: (Option<SocketAddr>, bool),
        options: &SendOptions,
    ) -> (Result<()>, B) {
        let length = data.get().length();
        let mut sent = 0;
        // Not for this call, if the kernel refuses it once.
        let mut refused = false;
        while sent < length {
            let together = (MOST_BYTES / size).min(MOST_SEGMENTS);
            let segment = u16::try_from(size).ok().filter(|_| together > 1 && !refused && self.can_segment());
            let end = match segment {
                Some(_) => length.min(sent + size * together),
                None => length.min(sent + size),
            };
            // A single one needs no such thing.
            let segment = segment.filter(|_| end - sent > size);
            let mut sending = self.both.sender.begin(data, sent..end, |header| {
                fill(header, way, options);
                if let Some(size) = segment {
                    host::push_segment_size(&mut header.control, size);
                }
            });
            let answer = sending.answer().await;
            data = sending.into_data();
            match answer {
                // The device cannot do it, and will not be able to.
                Err(Refusal::System(libc::EIO)) if segment.is_some() => self.segments.set(Some(false)),
                // It cannot be done with these datagrams or this route. If it is the datagrams, each will say so itself.
                Err(Refusal::System(libc::EINVAL | libc::EMSGSIZE | libc::EOPNOTSUPP))
                    if segment.is_some() =>
                {
                    refused = true;
                }
                Err(_) => return (judge(answer), data.into_inner()),
                Ok(_) => sent = end,
            }
        }
        (Ok(()), data.into_inner())
    }

    /// Whether a datagram goes there, or to the peer, by IPv4.
    ///
    /// # Errors
    /// If the system cannot say who the peer is.
    fn is_v4_way(&self, to: Option<SocketAddr>) -> io::Result<bool> {
        let to = match to {
            _ if !self.is_v6 => return Ok(true),
            Some(to) => Some(to),
            None => calls::peer_address(self.descriptor())?.as_socket(),
        };
        Ok(to.is_some_and(|to| to.ip().to_canonical().is_ipv4()))
    }

    /// Whether these options can be carried out, and whether that is by IPv4. What they become is made of them again by
    /// `fill`.
    fn check(&self, to: Option<SocketAddr>, options: &SendOptions) -> io::Result<bool> {
        let names_source = options.from.is_some() || options.interface.is_some();
        if options.ecn.is_none() && !names_source {
            return Ok(false);
        }
        let is_v4 = self.is_v4_way(to)?;
        if names_source {
            let mut control = crate::ancillary::Control::default();
            host::push_source(&mut control, is_v4, options.from, options.interface)?;
        }
        Ok(is_v4)
    }

    /// Sets how many routers a datagram may pass.
    pub(super) fn set_hops(&self, hops: u32) -> io::Result<()> {
        set_hops(Options::of(self.descriptor()), self.is_v6, hops)
    }

    pub(super) async fn close(self) -> Result<()> {
        self.both.close().await
    }

    #[expect(clippy::result_large_err, reason = "the error is the socket itself")]
    pub(super) fn into_owned(self) -> Result<OwnedFd, Self> {
        let Self { both, is_v6, segments } = self;
        both.into_owned().map_err(|both| Self { both, is_v6, segments })
    }
}

/// Fills in where a datagram goes and by what, and its options, of which it was checked that they work.
fn fill(header: &mut Header, (to, is_v4): (Option<SocketAddr>, bool), options: &SendOptions) {
    header.to.set_internet(to);
    if let Some(ecn) = options.ecn {
        host::push_ecn(&mut header.control, is_v4, ecn);
    }
    if options.from.is_some() || options.interface.is_some() {
        let _ = host::push_source(&mut header.control, is_v4, options.from, options.interface);
    }
}

/// Sets how many routers a datagram may pass.
pub(super) fn set_hops(options: Options<'_>, is_v6: bool, hops: u32) -> io::Result<()> {
    options.set(|socket| if is_v6 { socket.set_unicast_hops_v6(hops) } else { socket.set_ttl_v4(hops) })
}
