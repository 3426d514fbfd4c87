//! What peers do with datagrams, for those of which one datagram after the other is asked.

use std::{
    cell::RefCell,
    future::Future,
    io,
    marker::PhantomData,
    net::{SocketAddr, UdpSocket},
};

use futures_util::future::try_join_all;

use crate::measuring::{
    amounts::STREAM_BYTES,
    datagrams,
    job::{Job, Order},
    stopwatch::Measured,
};

/// A peer's ways to do the rows of the workload `udp`.
pub(super) trait Datagrams {
    /// Answers so many peers with what they have sent, of so many bytes.
    fn echo(order: &Order, peers: usize, size: usize) -> anyhow::Result<Measured>;

    /// Takes datagrams one by one, as the kernel hands them over.
    fn receive(order: &Order) -> anyhow::Result<Measured>;

    /// Sends datagrams one by one.
    fn send(order: &Order) -> anyhow::Result<Measured>;
}

/// Those of a peer that has the kernel take and hand over several datagrams as one.
pub(super) trait Offloading: Datagrams {
    /// Takes datagrams which the kernel may hand over together.
    fn receive_offload(order: &Order) -> anyhow::Result<Measured>;

    /// Sends datagrams together.
    fn send_offload(order: &Order) -> anyhow::Result<Measured>;
}

/// Those of a peer that can answer together what has come together.
pub(super) trait Together: Datagrams {
    /// Answers so many peers, as [`Datagrams::echo`] does, with all that has come at a time together.
    fn echo_together(order: &Order, peers: usize, size: usize) -> anyhow::Result<Measured>;
}

/// A peer's jobs.
pub(super) struct Jobs<P>(PhantomData<P>);

macro_rules! jobs {
    ($peer:ident $(, $more:expr)* $(,)?) => {
        &[
            ("echo-1x64", |order| $peer::echo(order, 1, 64)),
            ("echo-50x64", |order| $peer::echo(order, 50, 64)),
            ("echo-500x64", |order| $peer::echo(order, 500, 64)),
            ("echo-1x1200", |order| $peer::echo(order, 1, 1_200)),
            ("echo-50x1200", |order| $peer::echo(order, 50, 1_200)),
            ("echo-500x1200", |order| $peer::echo(order, 500, 1_200)),
            ("receive", $peer::receive),
            ("send", $peer::send),
            $($more,)*
        ]
    };
}

impl<P: Datagrams> Jobs<P> {
    /// One datagram at a time.
    pub(super) const SINGLE: &'static [(&'static str, Job)] = jobs!(P);
}

impl<P: Offloading> Jobs<P> {
    /// Those too that have the kernel put datagrams together.
    pub(super) const ALL: &'static [(&'static str, Job)] =
        jobs!(P, ("receive-offload", P::receive_offload), ("send-offload", P::send_offload));
}

impl<P: Together> Jobs<P> {
    /// One datagram at a time, and what has come together together.
    pub(super) const TOGETHER: &'static [(&'static str, Job)] = jobs!(
        P,
        ("echo-together-50x64", |order| P::echo_together(order, 50, 64)),
        ("echo-together-50x1200", |order| P::echo_together(order, 50, 1_200)),
    );
}

impl<P: Together + Offloading> Jobs<P> {
    /// All there are.
    pub(super) const EVERY: &'static [(&'static str, Job)] = jobs!(
        P,
        ("echo-together-50x64", |order| P::echo_together(order, 50, 64)),
        ("echo-together-50x1200", |order| P::echo_together(order, 50, 1_200)),
        ("receive-offload", P::receive_offload),
        ("send-offload", P::send_offload)
    );
}

/// A runtime's socket, used as its documentation has it.
pub(super) trait Socket: Sized {
    /// How many sends are under way at a time: several where each waits for a turn of a ring.
    const SENDERS: usize;

    /// Does a row's work in a runtime of its own.
    fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T>;

    fn adopt(socket: UdpSocket) -> io::Result<Self>;

    /// Receives a datagram into an empty buffer.
    async fn receive(&self, buffer: Vec<u8>) -> (io::Result<SocketAddr>, Vec<u8>);

    /// Receives datagrams until there were enough, as they are told one by one.
    async fn receive_all(
        &self,
        mut each: impl FnMut(&[u8], SocketAddr) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let mut buffer = Vec::with_capacity(1 << 16);
        loop {
            let received;
            (received, buffer) = self.receive(buffer).await;
            if !each(&buffer, received?)? {
                return Ok(());
            }
            buffer.clear();
        }
    }

    async fn send(&self, data: Vec<u8>, to: SocketAddr) -> (io::Result<usize>, Vec<u8>);
}

/// A peer with such a socket.
pub(super) struct OneByOne<S>(PhantomData<S>);

impl<S: Socket> Datagrams for OneByOne<S> {
    fn echo(order: &Order, peers: usize, size: usize) -> anyhow::Result<Measured> {
        datagrams::echo(order, peers, size, |socket, progress| {
            S::block_on(async {
                let socket = S::adopt(socket)?;
                let mut buffer = Vec::with_capacity(1 << 16);
                loop {
                    let (received, filled) = socket.receive(buffer).await;
                    let (sent, back) = socket.send(filled, received?).await;
                    sent?;
                    buffer = back;
                    buffer.clear();
                    if !progress.add(1) {
                        return Ok(());
                    }
                }
            })
        })
    }

    fn receive(order: &Order) -> anyhow::Result<Measured> {
        datagrams::receive(order, |socket, from, progress| {
            S::block_on(async {
                let socket = S::adopt(socket)?;
                let each = |data: &[u8], sender: SocketAddr| {
                    anyhow::ensure!(data.len() == STREAM_BYTES, "of another size");
                    anyhow::ensure!(sender == from, "of another sender");
                    Ok(progress.add(1))
                };
                socket.receive_all(each).await
            })
        })
    }

    fn send(order: &Order) -> anyhow::Result<Measured> {
        datagrams::send(order, |socket, to, progress| {
            S::block_on(async {
                let socket = S::adopt(socket)?;
                let progress = RefCell::new(progress);
                let sender = || async {
                    let mut data = vec![7; STREAM_BYTES];
                    loop {
                        let sent;
                        (sent, data) = socket.send(data, to).await;
                        anyhow::ensure!(sent? == STREAM_BYTES, "sent in part");
                        if !progress.borrow_mut().add(1) {
                            return Ok(());
                        }
                    }
                };
                try_join_all((0..S::SENDERS).map(|_| sender())).await.map(drop)
            })
        })
    }
}
