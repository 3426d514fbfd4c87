//! Everything that one run of a measuring command found out.

use anyhow::Context;

use crate::{
    measuring::{idle_results, row_results},
    measuring::{machine::Machine, results},
};

pub(crate) enum Document {
    Requests(results::Results),
    Rows(row_results::Results),
    Idle(idle_results::Results),
}

impl Document {
    /// Reads what a command wrote with `--json`.
    pub(super) fn read(json: &[u8]) -> anyhow::Result<Self> {
        let value: serde_json::Value = serde_json::from_slice(json)?;
        let document = if value.get("cells").is_some() {
            Self::Requests(serde_json::from_value(value)?)
        } else if value.get("rows").is_some() {
            Self::Rows(serde_json::from_value(value)?)
        } else {
            Self::Idle(serde_json::from_value(value).context("this is none of the suite's files")?)
        };
        Ok(document)
    }

    pub(super) fn workload(&self) -> &str {
        match self {
            Self::Requests(results) => &results.workload,
            Self::Rows(results) => &results.workload,
            Self::Idle(results) => &results.workload,
        }
    }

    pub(super) fn machine(&self) -> &Machine {
        match self {
            Self::Requests(results) => &results.machine,
            Self::Rows(results) => &results.machine,
            Self::Idle(results) => &results.machine,
        }
    }

    pub(super) fn reference(&self) -> &str {
        match self {
            Self::Requests(results) => &results.reference,
            Self::Rows(results) => &results.reference,
            Self::Idle(results) => &results.reference,
        }
    }

    /// How often and how long, as the command line leaves that to the defaults.
    pub(super) fn repetition(&self) -> String {
        match self {
            Self::Requests(it) => {
                let (rounds, slice) = (it.rounds, it.slice_milliseconds);
                format!("{rounds} rotations of {slice} ms at each server, and the seed {}", it.seed)
            }
            Self::Rows(it) => format!("{} rotations, and the seed {}", it.rounds, it.seed),
            Self::Idle(it) => format!("{} servers of each peer", it.rounds),
        }
    }
}
