//! What came of it.

use super::case::Manner;
use std::fmt;

/// What [`cancel_everywhere`](super::cancel_everywhere) has tried, all of it without a failure.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Everywhere {
    /// How many checkpoints the body has, its children's included; for futures that are dropped, how often it waits.
    pub checkpoints: usize,
    /// At how many of them it was cut short.
    pub survived: usize,
    /// Runs that were cut short while what they waited for was under way.
    pub in_flight: usize,
    /// Runs that were cut short when that had come.
    pub completed: usize,
    /// Runs in which one child was cancelled alone.
    pub of_children: usize,
    /// Runs in which one child was cancelled, and later everything.
    pub of_pairs: usize,
    /// How often the body has run.
    pub runs: usize,
    /// Why not all was tried, if differences are [allowed](super::Everywhere::allow_differences).
    pub differences: Option<String>,
}

impl fmt::Display for Everywhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} checkpoints survive ({} runs: {} with what was waited for under way, {} when it had come, {} of one \
             child, {} pairs)",
            self.survived,
            self.checkpoints,
            self.runs,
            self.in_flight,
            self.completed,
            self.of_children,
            self.of_pairs
        )?;
        match &self.differences {
            Some(differences) => write!(f, "; {differences}"),
            None => Ok(()),
        }
    }
}

impl Everywhere {
    /// A line for each count, with the manner in front, to be summed up over many tests.
    pub(super) fn counts(&self, manner: Manner) -> String {
        let counts = [
            ("bodies", 1),
            ("checkpoints", self.checkpoints),
            ("before", self.survived),
            ("in-flight", self.in_flight),
            ("done", self.completed),
            ("child", self.of_children),
            ("pair", self.of_pairs),
            ("runs", self.runs),
        ];
        counts.iter().map(|(name, count)| format!("{manner}:{name} {count}\n")).collect()
    }
}
