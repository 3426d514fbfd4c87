//! The charts of workloads of many small rows.

use super::{
    bars::{Bars, Group, Scale},
    chart::Chart,
};
use crate::measuring::{
    row::Figure,
    row_results::{PeerResult, Results, RowResult},
};

/// So many rows are still to be taken in at a glance.
const ROWS: usize = 12;

pub(super) fn charts(results: &Results) -> anyhow::Result<Vec<Chart>> {
    let Results { workload, reference, .. } = results;
    let parts = results.rows.len().div_ceil(ROWS).max(1);
    let mut charts = Vec::new();
    for (part, rows) in results.rows.chunks(results.rows.len().div_ceil(parts).max(1)).enumerate() {
        let number = if parts > 1 { format!("-{}", part + 1) } else { String::new() };
        let bars = Bars {
            name: format!("{workload}{number}"),
            title: format!("{workload}: time per operation ÷ {reference}'s"),
            below: "below 1, to the left, is better; medians of ratios within a rotation, lines from quartile to \
                    quartile"
                .to_owned(),
            scale: Scale::Ratio,
            groups: rows.iter().map(group).collect(),
        };
        charts.extend(bars.draw()?);
    }
    Ok(charts)
}

fn group(row: &RowResult) -> Group {
    let of = match row.figure {
        Figure::Cpu => "CPU",
        Figure::Elapsed => "elapsed",
    };
    let bar = |peer: &PeerResult| Some((peer.peer.clone(), peer.ratio(row.figure)?));
    Group { name: format!("{} ({of})", row.row), bars: row.peers.iter().filter_map(bar).collect() }
}
