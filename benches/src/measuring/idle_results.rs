//! What idle connections take, as it goes into the JSON file.

use serde::{Deserialize, Serialize};

use crate::measuring::{machine::Machine, measure::Memory, statistics::Summary};

/// One run of the command.
#[derive(Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) workload: String,
    /// The peer that the others are compared with.
    pub(crate) reference: String,
    pub(crate) rounds: u32,
    pub(crate) connections: usize,
    pub(crate) open_files: usize,
    pub(crate) peers: Vec<PeerResult>,
}

/// One peer's servers, a new one in each round.
#[derive(Serialize, Deserialize)]
pub(crate) struct PeerResult {
    pub(crate) peer: String,
    pub(crate) rounds: Vec<Growth>,
    /// Bytes by which the resident set grows for a connection.
    pub(crate) resident_per_connection: Option<Summary>,
    /// Bytes by which the proportional set grows for a connection.
    pub(crate) proportional_per_connection: Option<Summary>,
    /// The same over the reference's of the same round.
    pub(crate) proportional_to_reference: Option<Summary>,
}

/// A server's memory with one connection and with all of them.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Growth {
    pub(crate) round: u32,
    pub(crate) connections: usize,
    pub(crate) before: Memory,
    pub(crate) after: Memory,
}

impl Growth {
    fn resident(&self) -> f64 {
        self.after.resident.saturating_sub(self.before.resident) as f64 / self.connections as f64
    }

    fn proportional(&self) -> f64 {
        self.after.proportional.saturating_sub(self.before.proportional) as f64 / self.connections as f64
    }
}

/// Compares the peers with the reference.
pub(crate) fn compared(peers: Vec<(&'static str, Vec<Growth>)>, reference: &str) -> Vec<PeerResult> {
    let baseline = peers.iter().find(|(peer, _)| *peer == reference).map(|(_, rounds)| rounds.clone());
    let baseline = baseline.unwrap_or_default();
    let compare = |(peer, rounds): (&str, Vec<Growth>)| {
        let to_reference = rounds.iter().filter_map(|growth| {
            let other = baseline.iter().find(|other| other.round == growth.round)?;
            Some(growth.proportional() / other.proportional())
        });
        PeerResult {
            peer: peer.to_owned(),
            resident_per_connection: Summary::of(rounds.iter().map(Growth::resident)),
            proportional_per_connection: Summary::of(rounds.iter().map(Growth::proportional)),
            proportional_to_reference: Summary::of(to_reference),
            rounds,
        }
    };
    peers.into_iter().map(compare).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn growth(round: u32, bytes: u64) -> Growth {
        let memory = |bytes| Memory { resident: 2 * bytes, proportional: bytes };
        Growth { round, connections: 10, before: memory(1000), after: memory(1000 + bytes) }
    }

    #[test]
    fn what_counts_is_the_growth_for_each_connection() {
        let peers = vec![("a", vec![growth(0, 500), growth(1, 1000)]), ("b", vec![growth(1, 2000)])];
        let results = compared(peers, "a");
        assert_eq!(results[0].proportional_per_connection.unwrap().median, 75.0);
        assert_eq!(results[0].resident_per_connection.unwrap().median, 150.0);
        assert_eq!(results[1].proportional_to_reference.unwrap().median, 2.0);
    }
}
