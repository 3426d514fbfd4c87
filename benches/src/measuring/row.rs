//! What is measured in a row of a table.

use serde::{Deserialize, Serialize};

/// Something that is done many times.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The peers' job that does it.
    pub(crate) job: &'static str,
    /// How often it is done in a turn.
    pub(crate) operations: u64,
    /// What is looked at first.
    pub(crate) figure: Figure,
}

/// Which of a row's two figures goes into the overview.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Figure {
    Cpu,
    Elapsed,
}

impl Figure {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Elapsed => "time",
        }
    }
}
