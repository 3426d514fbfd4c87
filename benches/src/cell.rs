//! A cell: how many connections, and how many bytes each of them sends and waits for at a time.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

const MAX_CONNECTIONS: usize = 19_000;
const MAX_BYTES: usize = 1 << 20;

/// One point of the sweep, written as `500x1K`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) connections: usize,
    pub(crate) bytes: usize,
}

impl FromStr for Cell {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (connections, bytes) =
            text.split_once('x').ok_or("a cell is CONNECTIONSxBYTES, such as 500x1K")?;
        let connections = in_range(connections.parse().ok(), MAX_CONNECTIONS)
            .ok_or_else(|| format!("connections must be 1 to {MAX_CONNECTIONS}"))?;
        let (digits, unit) = match bytes.strip_suffix(['k', 'K']) {
            Some(digits) => (digits, 1024),
            None => (bytes, 1),
        };
        let bytes = digits.parse().ok().and_then(|count: usize| count.checked_mul(unit));
        let bytes = in_range(bytes, MAX_BYTES).ok_or_else(|| format!("bytes must be 1 to {MAX_BYTES}"))?;
        Ok(Self { connections, bytes })
    }
}

fn in_range(value: Option<usize>, max: usize) -> Option<usize> {
    value.filter(|value| (1..=max).contains(value))
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, bytes } = self;
        match bytes % 1024 {
            0 => write!(formatter, "{connections}x{}K", bytes / 1024),
            _ => write!(formatter, "{connections}x{bytes}"),
        }
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_reads_back_as_it_is_written() {
        for text in ["1x64", "500x1K", "50x16K", "5000x1500"] {
            assert_eq!(text.parse::<Cell>().unwrap().to_string(), text);
        }
        assert_eq!("500x1K".parse(), Ok(Cell { connections: 500, bytes: 1024 }));
    }

    #[test]
    fn a_cell_without_connections_or_bytes_or_with_too_many_is_refused() {
        for text in
            ["", "50", "0x64", "50x0", "x", "50x64M", "20000x64", "1x2048K", "1x99999999999999999999K"]
        {
            assert!(text.parse::<Cell>().is_err(), "{text}");
        }
    }
}
