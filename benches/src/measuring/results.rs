//! What was measured, as it goes into the JSON file, and the ratios drawn from it.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::measuring::{cell::Cell, machine::Machine, measure::Growth, statistics::Summary};

/// One run of the command.
#[derive(Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) workload: String,
    /// What is counted.
    pub(crate) unit: Unit,
    /// The peer that the others are compared with.
    pub(crate) reference: String,
    pub(crate) rounds: u32,
    pub(crate) slice_milliseconds: u64,
    pub(crate) seed: u64,
    pub(crate) cells: Vec<CellResult>,
}

/// All peers at one cell.
#[derive(Serialize, Deserialize)]
pub(crate) struct CellResult {
    pub(crate) cell: Cell,
    /// The hand-written loop with the lowest processor time per request.
    pub(crate) best_by_hand: Option<String>,
    pub(crate) peers: Vec<PeerResult>,
    pub(crate) failures: Vec<Failure>,
}

/// A peer that dropped out of a cell.
#[derive(Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) peer: String,
    pub(crate) rotation: u32,
    pub(crate) error: String,
}

/// One peer at one cell.
#[derive(Serialize, Deserialize)]
pub(crate) struct PeerResult {
    pub(crate) peer: String,
    pub(crate) by_hand: bool,
    pub(crate) slices: Vec<Slice>,
    pub(crate) requests_per_second: Option<Summary>,
    pub(crate) cpu_per_request_microseconds: Option<Summary>,
    /// Processor time per request over the reference's of the same rotation.
    pub(crate) cpu_to_reference: Option<Summary>,
    /// Requests per second over the reference's of the same rotation.
    pub(crate) rate_to_reference: Option<Summary>,
    /// The median latency over the reference's of the same rotation.
    pub(crate) p50_to_reference: Option<Summary>,
    /// The 99th percentile of the latency over the reference's of the same rotation.
    pub(crate) p99_to_reference: Option<Summary>,
    /// Processor time per request over that of the best hand-written loop.
    pub(crate) cpu_to_best_by_hand: Option<f64>,
    pub(crate) latency: Latency,
    /// The whole distribution of the latency, roughly.
    pub(crate) quantiles: Vec<Quantile>,
    /// Counted while the load warmed up; `None` where the kernel lets nobody count.
    pub(crate) system_calls_per_request: Option<f64>,
    pub(crate) user_ticks: u64,
    pub(crate) system_ticks: u64,
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
    pub(crate) resident_bytes: u64,
}

/// What a workload counts.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unit {
    Request,
    Connection,
    Mebibyte,
}

impl Unit {
    /// As it stands behind a figure.
    pub(crate) fn short(self) -> &'static str {
        match self {
            Self::Request => "req",
            Self::Connection => "conn",
            Self::Mebibyte => "MiB",
        }
    }
}

/// One server's turn within a rotation.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Slice {
    /// Servers alive at the same time form a group; only slices of one rotation of one group are paired.
    pub(crate) group: usize,
    pub(crate) rotation: u32,
    pub(crate) requests: u64,
    pub(crate) elapsed_nanoseconds: u64,
    pub(crate) cpu_nanoseconds: u64,
    /// How long the server was ready to run and had to wait for its processor.
    pub(crate) run_queue_wait_nanoseconds: u64,
    pub(crate) latency: Latency,
}

impl Slice {
    fn cpu_per_request(&self) -> f64 {
        self.cpu_nanoseconds as f64 / self.requests as f64
    }

    fn rate(&self) -> f64 {
        self.requests as f64 * 1e9 / self.elapsed_nanoseconds as f64
    }
}

/// Quantiles of the latency, in nanoseconds.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p99_9: u64,
    pub(crate) max: u64,
}

impl Latency {
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            p50: histogram.value_at_quantile(0.5),
            p99: histogram.value_at_quantile(0.99),
            p99_9: histogram.value_at_quantile(0.999),
            max: histogram.max(),
        }
    }
}

/// A point of a distribution: this share of the requests took no longer.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Quantile {
    pub(crate) share: f64,
    pub(crate) nanoseconds: u64,
}

/// The shares at which a distribution is looked at: ever closer to the slowest.
const SHARES: [f64; 16] = [
    0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.9975, 0.999, 0.9995, 0.9999, 0.99995, 0.99999,
];

/// The distribution as far as there are enough values to tell.
fn distribution(histogram: &Histogram<u64>) -> Vec<Quantile> {
    let told = |share: &f64| (1.0 - share) * histogram.len() as f64 >= 1.0;
    let quantile = |share| Quantile { share, nanoseconds: histogram.value_at_quantile(share) };
    SHARES.into_iter().filter(told).map(quantile).collect()
}

impl PeerResult {
    /// The figures that need no other peer.
    pub(crate) fn new(
        (peer, by_hand): (&str, bool),
        slices: Vec<Slice>,
        latencies: &Histogram<u64>,
        growth: Growth,
        system_calls_per_request: Option<f64>,
        resident_bytes: u64,
    ) -> Self {
        Self {
            peer: peer.to_owned(),
            by_hand,
            requests_per_second: Summary::of(slices.iter().map(Slice::rate)),
            cpu_per_request_microseconds: Summary::of(slices.iter().map(|it| it.cpu_per_request() / 1e3)),
            slices,
            cpu_to_reference: None,
            rate_to_reference: None,
            p50_to_reference: None,
            p99_to_reference: None,
            cpu_to_best_by_hand: None,
            latency: Latency::of(latencies),
            quantiles: distribution(latencies),
            system_calls_per_request,
            user_ticks: growth.user_ticks,
            system_ticks: growth.system_ticks,
            voluntary_switches: growth.voluntary_switches,
            involuntary_switches: growth.involuntary_switches,
            resident_bytes,
        }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.slices.iter().map(|slice| slice.requests).sum()
    }

    /// The share of the load's time in which the server waited for its processor.
    pub(crate) fn disturbance(&self) -> f64 {
        let wait: u64 = self.slices.iter().map(|slice| slice.run_queue_wait_nanoseconds).sum();
        let elapsed: u64 = self.slices.iter().map(|slice| slice.elapsed_nanoseconds).sum();
        wait as f64 / elapsed as f64
    }
}

impl CellResult {
    /// Compares the peers with the reference and with the best of the hand-written loops.
    pub(crate) fn new(
        cell: Cell,
        mut peers: Vec<PeerResult>,
        failures: Vec<Failure>,
        reference: &str,
    ) -> Self {
        let baseline = slices_of(&peers, reference);
        for peer in &mut peers {
            peer.cpu_to_reference = paired(&peer.slices, &baseline, Slice::cpu_per_request);
            peer.rate_to_reference = paired(&peer.slices, &baseline, Slice::rate);
            peer.p50_to_reference = paired(&peer.slices, &baseline, |it| it.latency.p50 as f64);
            peer.p99_to_reference = paired(&peer.slices, &baseline, |it| it.latency.p99 as f64);
        }
        let median = |peer: &PeerResult| peer.cpu_to_reference.map_or(f64::INFINITY, |ratio| ratio.median);
        let best = peers
            .iter()
            .filter(|peer| peer.by_hand)
            .min_by(|a, b| median(a).total_cmp(&median(b)))
            .map(|peer| (peer.peer.clone(), median(peer), peer.slices.clone()));
        if let Some((_, best_median, best_slices)) = &best {
            for peer in &mut peers {
                // Without common rotations the reference, which runs in all groups, stands between the two.
                let direct = paired(&peer.slices, best_slices, Slice::cpu_per_request);
                peer.cpu_to_best_by_hand =
                    Some(direct.map_or_else(|| median(peer) / best_median, |ratio| ratio.median));
            }
        }
        Self { cell, best_by_hand: best.map(|(name, ..)| name), peers, failures }
    }
}

fn slices_of(peers: &[PeerResult], name: &str) -> Vec<Slice> {
    peers.iter().filter(|peer| peer.peer == name).flat_map(|peer| peer.slices.clone()).collect()
}

/// The ratios of one figure between slices of the same rotation.
fn paired(slices: &[Slice], baseline: &[Slice], figure: fn(&Slice) -> f64) -> Option<Summary> {
    Summary::of(slices.iter().filter_map(|slice| {
        let same = |other: &&Slice| (other.group, other.rotation) == (slice.group, slice.rotation);
        Some(figure(slice) / figure(baseline.iter().find(same)?))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(group: usize, rotation: u32, cpu_nanoseconds: u64) -> Slice {
        let latency = Latency { p50: 0, p99: 0, p99_9: 0, max: 0 };
        let run_queue_wait_nanoseconds = 0;
        let (requests, elapsed_nanoseconds) = (10, 1000);
        Slice {
            group,
            rotation,
            requests,
            elapsed_nanoseconds,
            cpu_nanoseconds,
            run_queue_wait_nanoseconds,
            latency,
        }
    }

    #[test]
    fn ratios_are_paired_by_rotation_so_a_slow_spell_of_the_host_does_not_count() {
        let baseline = [slice(0, 0, 100), slice(0, 1, 400), slice(0, 2, 100)];
        let slices = [slice(0, 1, 200), slice(0, 2, 50), slice(0, 0, 50)];
        let ratio = paired(&slices, &baseline, Slice::cpu_per_request).unwrap();
        assert_eq!((ratio.min, ratio.median, ratio.max), (0.5, 0.5, 0.5));
    }

    #[test]
    fn slices_of_different_groups_are_not_paired() {
        assert_eq!(paired(&[slice(1, 0, 50)], &[slice(0, 0, 100)], Slice::cpu_per_request), None);
    }

    fn result(peer: &'static str, by_hand: bool, slices: Vec<Slice>) -> PeerResult {
        let histogram = Histogram::new(2).unwrap();
        PeerResult::new((peer, by_hand), slices, &histogram, Growth::default(), None, 0)
    }

    #[test]
    fn the_best_loop_of_another_group_is_compared_by_way_of_the_reference() {
        let reference = result("reference", false, vec![slice(0, 0, 100), slice(1, 0, 200)]);
        let best = result("best", true, vec![slice(0, 0, 50)]);
        let worse = result("worse", true, vec![slice(0, 0, 75)]);
        let other = result("other", false, vec![slice(1, 0, 200)]);
        let cell = CellResult::new(
            "1x64".parse().unwrap(),
            vec![reference, best, worse, other],
            Vec::new(),
            "reference",
        );
        assert_eq!(cell.best_by_hand.as_deref(), Some("best"));
        let to_best: Vec<_> = cell.peers.iter().map(|peer| peer.cpu_to_best_by_hand.unwrap()).collect();
        assert_eq!(to_best, [2.0, 1.0, 1.5, 2.0]);
    }
}
