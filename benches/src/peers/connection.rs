//! Servers whose code is the same for all runtimes but for the calls that receive and send.

use std::{io, mem::take};

use crate::measuring::{
    bulk::{ORDER_BYTES, Order, Receipt},
    cell::Direction,
    http::Session,
    load::pattern,
};

const BUFFER_BYTES: usize = 16 * 1024;

/// A connection of some runtime. Buffers go to and fro by value, as runtimes on io_uring want them.
pub(crate) trait Connection {
    /// Receives into the beginning of the buffer, and gives it back with the number of bytes.
    async fn receive(&mut self, buffer: Vec<u8>) -> io::Result<(Vec<u8>, usize)>;

    /// Sends the whole buffer and gives it back.
    async fn send_all(&mut self, buffer: Vec<u8>) -> io::Result<Vec<u8>>;
}

/// Sends back what comes until the other end closes.
pub(crate) async fn serve_echo(mut connection: impl Connection) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let (mut filled, length) = connection.receive(buffer).await?;
        if length == 0 {
            return Ok(());
        }
        filled.truncate(length);
        buffer = connection.send_all(filled).await?;
        buffer.resize(BUFFER_BYTES, 0);
    }
}

/// Answers requests until the other end closes.
pub(crate) async fn serve_http(mut connection: impl Connection) -> io::Result<()> {
    let mut session = Session::default();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let (filled, length) = connection.receive(buffer).await?;
        if length == 0 {
            return Ok(());
        }
        session.take(&filled[..length])?;
        buffer = filled;
        if !session.answers().is_empty() {
            let mut answers = connection.send_all(take(session.answers())).await?;
            answers.clear();
            *session.answers() = answers;
        }
    }
}

/// Sends or receives in bulk as ordered, until the other end closes.
pub(crate) async fn serve_bulk(mut connection: impl Connection) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(order) = receive_order(&mut connection).await? {
        if buffer.capacity() != order.size || order.direction == Direction::Send {
            buffer = pattern_once(buffer, order.size);
        }
        buffer = match order.direction {
            Direction::Send => send(&mut connection, &order, buffer).await?,
            Direction::Receive => receive(&mut connection, &order, buffer).await?,
        };
    }
    Ok(())
}

/// The buffer with the bytes that are sent, made anew only if another size is ordered.
fn pattern_once(buffer: Vec<u8>, size: usize) -> Vec<u8> {
    if buffer.len() == size { buffer } else { pattern(size) }
}

async fn receive_order(connection: &mut impl Connection) -> io::Result<Option<Order>> {
    let mut bytes = Vec::with_capacity(ORDER_BYTES);
    while bytes.len() < ORDER_BYTES {
        let (piece, length) = connection.receive(vec![0; ORDER_BYTES - bytes.len()]).await?;
        if length == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece[..length]);
    }
    let bytes = bytes.try_into().map_err(|_| io::Error::other("more was received than there is room"))?;
    Order::decode(&bytes).map(Some)
}

async fn send(connection: &mut impl Connection, order: &Order, mut buffer: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut left = order.total;
    while left >= order.size as u64 {
        buffer = connection.send_all(buffer).await?;
        left -= order.size as u64;
    }
    if left > 0 {
        connection.send_all(buffer[..left as usize].to_vec()).await?;
    }
    Ok(buffer)
}

async fn receive(
    connection: &mut impl Connection,
    order: &Order,
    mut buffer: Vec<u8>,
) -> io::Result<Vec<u8>> {
    let mut receipt = Receipt::new(order);
    let mut left = order.total;
    while left > 0 {
        let (filled, length) = connection.receive(buffer).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        receipt.take(&filled[..length]);
        left = left.saturating_sub(length as u64);
        buffer = filled;
    }
    connection.send_all(receipt.encode().to_vec()).await?;
    Ok(buffer)
}
