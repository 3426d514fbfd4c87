//! Much in one direction on one connection: orders one after the other, each of many writes.

use std::{
    io::{Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;

use super::{Load, Served, nanoseconds, pattern};
use crate::measuring::{
    bulk::{Order, RECEIPT_BYTES, Receipt},
    cell::{Cell, Direction},
    interrupt::Interrupt,
};

const MEBIBYTE: u64 = 1 << 20;
const MEBIBYTES_IN_EACH: u64 = 16;
/// What is compared byte for byte: some writes and a part of one.
const CHECKED_WRITES: usize = 3;

/// An open connection, and what to order on it.
pub(crate) struct Connection<S> {
    socket: S,
    order: Order,
}

/// How this side connects, and where its bytes are.
pub(crate) struct Bulk<C> {
    connect: C,
    buffer: Vec<u8>,
}

impl<C, S> Bulk<C>
where
    C: Fn(SocketAddr) -> anyhow::Result<S>,
    S: Read + Write,
{
    pub(crate) fn new(connect: C) -> Self {
        Self { connect, buffer: Vec::new() }
    }

    /// Has an order done, and gives a slice of what was sent to `look`.
    fn carry_out(
        &mut self,
        connection: &mut Connection<S>,
        order: &Order,
        mut look: impl FnMut(&[u8]),
    ) -> anyhow::Result<[u8; RECEIPT_BYTES]> {
        let socket = &mut connection.socket;
        socket.write_all(&order.encode())?;
        let mut receipt = [0; RECEIPT_BYTES];
        let mut left = usize::try_from(order.total)?;
        match order.direction {
            Direction::Send => {
                while left > 0 {
                    let room = self.buffer.len().min(left);
                    let length = socket.read(&mut self.buffer[..room])?;
                    ensure!(length > 0, "the server closed the connection half-way");
                    look(&self.buffer[..length]);
                    left -= length;
                }
            }
            Direction::Receive => {
                while left > 0 {
                    let length = order.size.min(left);
                    socket.write_all(&self.buffer[..length])?;
                    look(&self.buffer[..length]);
                    left -= length;
                }
                socket.read_exact(&mut receipt).context("no receipt")?;
            }
        }
        Ok(receipt)
    }

    fn check(&mut self, connection: &mut Connection<S>) -> anyhow::Result<()> {
        let size = connection.order.size;
        let bytes = CHECKED_WRITES * size + size / 2;
        let order = Order { checked: true, total: bytes as u64, ..connection.order };
        self.buffer = pattern(size);
        match order.direction {
            Direction::Send => {
                let mut received = Vec::with_capacity(bytes);
                self.carry_out(connection, &order, |piece| received.extend_from_slice(piece))?;
                let expected: Vec<u8> = pattern(size).into_iter().cycle().take(bytes).collect();
                ensure!(received == expected, "the server sent other bytes than it should");
                self.buffer = pattern(size);
            }
            Direction::Receive => {
                let mut expected = Receipt::new(&order);
                let receipt = self.carry_out(connection, &order, |piece| expected.take(piece))?;
                ensure!(receipt == expected.encode(), "the server received other bytes than it was sent");
            }
        }
        Ok(())
    }
}

impl<C, S> Load for Bulk<C>
where
    C: Fn(SocketAddr) -> anyhow::Result<S>,
    S: Read + Write,
{
    type Connections = Connection<S>;

    fn open(
        &mut self,
        server: SocketAddr,
        cell: Cell,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Connection<S>> {
        interrupt.check()?;
        let direction = cell.direction.context("a cell without a direction")?;
        let total = MEBIBYTES_IN_EACH * MEBIBYTE;
        let order = Order { direction, checked: false, size: cell.size, total };
        let mut connection = Connection { socket: (self.connect)(server)?, order };
        self.check(&mut connection)?;
        Ok(connection)
    }

    fn drive(
        &mut self,
        connection: &mut Connection<S>,
        slice: Duration,
        latencies: &mut Histogram<u64>,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Served> {
        let order = connection.order;
        self.buffer.resize(order.size, 0);
        let start = Instant::now();
        let mut orders = 0;
        while orders == 0 || start.elapsed() < slice {
            interrupt.check()?;
            let began = Instant::now();
            let receipt = self.carry_out(connection, &order, |_| {})?;
            let counted = order.direction == Direction::Send || u64::from_le_bytes(receipt) == order.total;
            ensure!(counted, "the server did not receive everything");
            latencies.saturating_record(nanoseconds(began.elapsed()));
            orders += 1;
        }
        Ok(Served { requests: orders * MEBIBYTES_IN_EACH, elapsed: start.elapsed() })
    }

    fn forget(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}
