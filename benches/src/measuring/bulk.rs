//! What the load and the servers of `stream` agree on: orders, and a sum over the bytes.

use std::io;

use crate::measuring::cell::Direction;

/// How long an order is on the wire.
pub(crate) const ORDER_BYTES: usize = 16;
/// How long the answer is to bytes that were received.
pub(crate) const RECEIPT_BYTES: usize = 8;

/// What a server is to do next on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) direction: Direction,
    /// Whether the receipt is a sum over all bytes rather than their count.
    pub(crate) checked: bool,
    /// How many bytes to send or receive at a time.
    pub(crate) size: usize,
    pub(crate) total: u64,
}

impl Order {
    pub(crate) fn encode(&self) -> [u8; ORDER_BYTES] {
        let kind = match self.direction {
            Direction::Send => 0_u32,
            Direction::Receive => 1 + u32::from(self.checked),
        };
        let mut bytes = [0; ORDER_BYTES];
        bytes[..4].copy_from_slice(&kind.to_le_bytes());
        bytes[4..8].copy_from_slice(&(self.size as u32).to_le_bytes());
        bytes[8..].copy_from_slice(&self.total.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; ORDER_BYTES]) -> io::Result<Self> {
        let [a, b, c, d, e, f, g, h, total @ ..] = *bytes;
        let kind = u32::from_le_bytes([a, b, c, d]);
        let size = u32::from_le_bytes([e, f, g, h]) as usize;
        let direction = if kind == 0 { Direction::Send } else { Direction::Receive };
        if kind > 2 || size == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "this is no order"));
        }
        Ok(Self { direction, checked: kind == 2, size, total: u64::from_le_bytes(total) })
    }
}

/// Goes over what was received, and becomes the receipt.
pub(crate) struct Receipt {
    checked: bool,
    sum: u64,
}

impl Receipt {
    pub(crate) fn new(order: &Order) -> Self {
        Self { checked: order.checked, sum: 0 }
    }

    pub(crate) fn take(&mut self, received: &[u8]) {
        if self.checked {
            self.sum = received.iter().fold(self.sum, |sum, byte| {
                sum.wrapping_mul(1_099_511_628_211).wrapping_add(u64::from(*byte) + 1)
            });
        } else {
            self.sum += received.len() as u64;
        }
    }

    pub(crate) fn encode(&self) -> [u8; RECEIPT_BYTES] {
        self.sum.to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_reads_back_as_it_is_written() {
        for (direction, checked) in
            [(Direction::Send, false), (Direction::Receive, false), (Direction::Receive, true)]
        {
            let order = Order { direction, checked, size: 65_536, total: 1 << 40 };
            assert_eq!(Order::decode(&order.encode()).unwrap(), order);
        }
        assert!(Order::decode(&[7; ORDER_BYTES]).is_err());
    }

    #[test]
    fn a_checked_receipt_shows_that_bytes_were_swapped() {
        let order = Order { direction: Direction::Receive, checked: true, size: 1, total: 3 };
        let sum = |pieces: &[&[u8]]| {
            let mut receipt = Receipt::new(&order);
            pieces.iter().for_each(|piece| receipt.take(piece));
            receipt.encode()
        };
        assert_eq!(sum(&[&[1, 2, 3]]), sum(&[&[1], &[2, 3]]));
        assert_ne!(sum(&[&[1, 2, 3]]), sum(&[&[1, 3, 2]]));
    }
}
