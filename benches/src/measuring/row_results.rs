//! What was measured of rows, as it goes into the JSON file, and the ratios drawn from it.

use serde::{Deserialize, Serialize};

use super::row::{Figure, Row};
use crate::measuring::{machine::Machine, results::Failure, statistics::Summary};

/// One run of the command.
#[derive(Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) workload: String,
    /// The peer that the others are compared with.
    pub(crate) reference: String,
    pub(crate) rounds: u32,
    pub(crate) seed: u64,
    pub(crate) rows: Vec<RowResult>,
}

/// All peers at one row.
#[derive(Serialize, Deserialize)]
pub(crate) struct RowResult {
    pub(crate) row: String,
    pub(crate) about: String,
    pub(crate) figure: Figure,
    pub(crate) peers: Vec<PeerResult>,
    pub(crate) failures: Vec<Failure>,
}

/// One peer at one row.
#[derive(Serialize, Deserialize)]
pub(crate) struct PeerResult {
    pub(crate) peer: String,
    pub(crate) turns: Vec<Turn>,
    pub(crate) cpu_nanoseconds: Option<Summary>,
    pub(crate) elapsed_nanoseconds: Option<Summary>,
    /// Processor time over the reference's of the same rotation.
    pub(crate) cpu_to_reference: Option<Summary>,
    /// Elapsed time over the reference's of the same rotation.
    pub(crate) elapsed_to_reference: Option<Summary>,
}

/// One peer's turns.
pub(crate) struct Turns {
    pub(crate) peer: &'static str,
    pub(crate) turns: Vec<Turn>,
}

/// One worker's turn within a rotation.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Turn {
    pub(crate) rotation: u32,
    pub(crate) operations: u64,
    pub(crate) elapsed_nanoseconds: u64,
    pub(crate) cpu_nanoseconds: u64,
    /// How long the whole turn took, with what is not measured.
    pub(crate) turn_nanoseconds: u64,
    /// How long of this the worker was ready to run and had to wait for its processor.
    pub(crate) run_queue_wait_nanoseconds: u64,
}

impl Turn {
    fn cpu(&self) -> f64 {
        self.cpu_nanoseconds as f64 / self.operations as f64
    }

    fn elapsed(&self) -> f64 {
        self.elapsed_nanoseconds as f64 / self.operations as f64
    }
}

impl RowResult {
    /// Compares the peers with the reference.
    pub(crate) fn new(row: &Row, turns: Vec<Turns>, failures: Vec<Failure>, reference: &str) -> Self {
        let baseline = turns.iter().find(|turns| turns.peer == reference).map(|turns| turns.turns.clone());
        let baseline = baseline.unwrap_or_default();
        let compare = |Turns { peer, turns }| PeerResult {
            peer: peer.to_owned(),
            cpu_nanoseconds: Summary::of(turns.iter().map(Turn::cpu)),
            elapsed_nanoseconds: Summary::of(turns.iter().map(Turn::elapsed)),
            cpu_to_reference: paired(&turns, &baseline, Turn::cpu),
            elapsed_to_reference: paired(&turns, &baseline, Turn::elapsed),
            turns,
        };
        Self {
            row: row.name.to_owned(),
            about: row.about.to_owned(),
            figure: row.figure,
            peers: turns.into_iter().map(compare).collect(),
            failures,
        }
    }
}

impl PeerResult {
    /// The ratio that the row is about.
    pub(crate) fn ratio(&self, figure: Figure) -> Option<Summary> {
        match figure {
            Figure::Cpu => self.cpu_to_reference,
            Figure::Elapsed => self.elapsed_to_reference,
        }
    }

    /// The share of its time in which the worker waited for its processor.
    pub(crate) fn disturbance(&self) -> f64 {
        let wait: u64 = self.turns.iter().map(|turn| turn.run_queue_wait_nanoseconds).sum();
        let all: u64 = self.turns.iter().map(|turn| turn.turn_nanoseconds).sum();
        wait as f64 / all as f64
    }
}

/// The ratios of one figure between turns of the same rotation.
fn paired(turns: &[Turn], baseline: &[Turn], figure: fn(&Turn) -> f64) -> Option<Summary> {
    Summary::of(turns.iter().filter_map(|turn| {
        let other = baseline.iter().find(|other| other.rotation == turn.rotation)?;
        Some(figure(turn) / figure(other))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(rotation: u32, operations: u64, cpu_nanoseconds: u64) -> Turn {
        Turn {
            rotation,
            operations,
            elapsed_nanoseconds: 2 * cpu_nanoseconds,
            cpu_nanoseconds,
            turn_nanoseconds: 3 * cpu_nanoseconds,
            run_queue_wait_nanoseconds: 0,
        }
    }

    #[test]
    fn ratios_are_of_one_rotation_and_per_operation() {
        let baseline = [turn(1, 10, 1000), turn(2, 10, 4000)];
        let turns = [turn(2, 100, 4000), turn(1, 100, 1000), turn(3, 100, 7)];
        let ratio = paired(&turns, &baseline, Turn::cpu).unwrap();
        assert_eq!((ratio.min, ratio.median, ratio.max), (0.1, 0.1, 0.1));
    }

    #[test]
    fn without_the_reference_there_is_no_ratio() {
        assert_eq!(paired(&[turn(1, 1, 1)], &[], Turn::elapsed), None);
    }
}
