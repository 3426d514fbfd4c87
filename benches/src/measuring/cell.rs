//! A cell: one point of a workload's sweep.

use std::{fmt, str::FromStr};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

const MAX_CONNECTIONS: usize = 19_000;
const MAX_SIZE: usize = 1 << 20;
const MAX_RATE: u64 = 10_000_000;

/// One point of the sweep, written as `500x1K`, `50x64@20000` or `send:1x64K`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Cell {
    /// Which way the bytes go, where it is one way only.
    pub(crate) direction: Option<Direction>,
    pub(crate) connections: usize,
    /// What each connection sends at a time: bytes, or requests in a row, as the workload has it.
    pub(crate) size: usize,
    /// How many requests are sent in a second over all connections, where it does not depend on the answers.
    pub(crate) rate: Option<u64>,
}

/// What the server does in a workload that goes one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Direction {
    Send,
    Receive,
}

impl fmt::Display for Direction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Send => "send",
            Self::Receive => "receive",
        })
    }
}

impl FromStr for Cell {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (direction, rest) = match text.split_once(':') {
            Some((direction, rest)) => (Some(Direction::from_str(direction, false)?), rest),
            None => (None, text),
        };
        let (rest, rate) = match rest.split_once('@') {
            Some((rest, rate)) => (rest, Some(in_range(rate.parse().ok(), MAX_RATE, "requests per second")?)),
            None => (rest, None),
        };
        let (connections, size) = rest.split_once('x').ok_or("a cell is CONNECTIONSxSIZE, such as 500x1K")?;
        let connections = in_range(connections.parse().ok(), MAX_CONNECTIONS, "connections")?;
        let (digits, unit) = match size.strip_suffix(['k', 'K']) {
            Some(digits) => (digits, 1024),
            None => (size, 1),
        };
        let size = digits.parse().ok().and_then(|count: usize| count.checked_mul(unit));
        Ok(Self { direction, connections, size: in_range(size, MAX_SIZE, "size")?, rate })
    }
}

fn in_range<T>(value: Option<T>, max: T, what: &str) -> Result<T, String>
where
    T: PartialOrd + From<bool> + fmt::Display,
{
    let fits = |value: &T| *value >= T::from(true) && *value <= max;
    value.filter(fits).ok_or_else(|| format!("{what} must be 1 to {max}"))
}

impl TryFrom<String> for Cell {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Cell> for String {
    fn from(cell: Cell) -> Self {
        cell.to_string()
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { direction, connections, size, rate } = self;
        if let Some(direction) = direction {
            write!(formatter, "{direction}:")?;
        }
        match size % 1024 {
            0 => write!(formatter, "{connections}x{}K", size / 1024)?,
            _ => write!(formatter, "{connections}x{size}")?,
        }
        match rate {
            Some(rate) => write!(formatter, "@{rate}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_reads_back_as_it_is_written() {
        for text in ["1x64", "500x1K", "50x16K", "5000x1500", "50x64@20000", "send:1x64K", "receive:8x1024K"]
        {
            assert_eq!(text.parse::<Cell>().unwrap().to_string(), text);
        }
        let cell = Cell { direction: None, connections: 500, size: 1024, rate: None };
        assert_eq!("500x1K".parse(), Ok(cell));
    }

    #[test]
    fn a_cell_without_connections_or_size_or_with_too_many_is_refused() {
        for text in [
            "",
            "50",
            "0x64",
            "50x0",
            "x",
            "50x64M",
            "20000x64",
            "1x2048K",
            "1x99999999999999999999K",
            "1x64@0",
            "1x64@",
            "aside:1x64",
        ] {
            assert!(text.parse::<Cell>().is_err(), "{text}");
        }
    }
}
