//! The names of what was done.

use crate::{Fault, Kind};
use std::{error::Error, fmt, str::FromStr};

/// One thing that was done to one operation, or to one call. As text: `Receive#17:short`, `Bind#1:error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decision {
    /// The kind of the operation or call.
    pub kind: Kind,
    /// Its number among those of its kind, from 1 on.
    pub number: u64,
    /// What was done to it.
    pub fault: Fault,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}:{}", self.kind, self.number, self.fault)
    }
}

/// A text names no decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownDecision(pub(crate) String);

impl fmt::Display for UnknownDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a seed, or a seed with decisions as in 7:Receive#17:short", self.0)
    }
}

impl Error for UnknownDecision {}

impl FromStr for Decision {
    type Err = UnknownDecision;

    fn from_str(text: &str) -> Result<Self, UnknownDecision> {
        let parse = || {
            let (kind, rest) = text.split_once('#')?;
            let (number, fault) = rest.split_once(':')?;
            Some(Self {
                kind: Kind::all().find(|known| known.to_string() == kind)?,
                number: number.parse().ok()?,
                fault: Fault::ALL.iter().copied().find(|known| known.name() == fault)?,
            })
        };
        parse().ok_or_else(|| UnknownDecision(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_read_as_it_was_written() {
        for (number, kind) in (1..).zip(Kind::all()) {
            for &fault in Fault::ALL {
                let decision = Decision { kind, number, fault };
                assert_eq!(decision.to_string().parse(), Ok(decision));
            }
        }
        for wrong in ["", "Receive", "Receive#x:short", "Receive#1:long", "receive#1:short", "Receive#1"] {
            assert!(wrong.parse::<Decision>().is_err(), "{wrong}");
        }
    }
}
