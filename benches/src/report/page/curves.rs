//! The distribution of latencies: what share of the requests took how long.

use super::{
    chart::{Chart, file_name},
    lines::{Axis, Lines},
};
use crate::measuring::results::{CellResult, Results};

/// The curves of one cell.
pub(super) fn chart(results: &Results, cell: &CellResult) -> anyhow::Result<Option<Chart>> {
    let lines = cell.peers.iter().map(|peer| {
        // What is told apart is how rare a latency is: 1 in 10, in 100, in 1000.
        let points = peer
            .quantiles
            .iter()
            .filter(|it| it.share >= 0.5)
            .map(|it| (1.0 / (1.0 - it.share), it.nanoseconds as f64 / 1e3));
        (peer.peer.clone(), points.collect())
    });
    let marks = [2.0, 10.0, 100.0, 1e3, 1e4, 1e5].map(|rarity| (rarity, percentile(rarity))).into();
    let chart = Lines {
        name: format!("{}-latency-{}", results.workload, file_name(cell.cell)),
        title: format!("{} {}: latency", results.workload, cell.cell),
        below: "this share of the requests took no longer; lower is better".to_owned(),
        x: Axis { title: "percentile", marks },
        y: "µs",
        lines: lines.collect(),
    };
    chart.draw()
}

/// `100` stands for one in a hundred: the 99th percentile.
fn percentile(rarity: f64) -> String {
    let percent = 100.0 * (1.0 - 1.0 / rarity);
    let text = format!("{percent:.4}");
    format!("p{}", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_a_thousand_is_beyond_p99_9() {
        assert_eq!([percentile(2.0), percentile(100.0), percentile(1000.0)], ["p50", "p99", "p99.9"]);
    }
}
