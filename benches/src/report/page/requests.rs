//! The charts of workloads in which servers answer requests.

use super::{
    bars::{Bars, Group, Scale},
    chart::Chart,
    curves,
    lines::{Axis, Lines},
};
use crate::measuring::{
    cell::{Cell, Direction},
    results::{PeerResult, Results, Unit},
    statistics::Summary,
};

pub(super) fn charts(results: &Results) -> anyhow::Result<Vec<Chart>> {
    let Results { workload, reference, .. } = results;
    let unit = results.unit.short();
    let fixed_rate = results.cells.iter().all(|cell| cell.cell.rate.is_some());
    let mut charts = vec![ratios(
        results,
        "cpu",
        format!("{workload}: the server's processor time per {unit} ÷ {reference}'s"),
        "below 1, to the left, is better",
        |peer| peer.cpu_to_reference,
    )?];
    if fixed_rate {
        charts.push(ratios(
            results,
            "p50",
            format!("{workload}: median latency ÷ {reference}'s"),
            "below 1, to the left, is better",
            |peer| peer.p50_to_reference,
        )?);
        charts.push(ratios(
            results,
            "p99",
            format!("{workload}: 99th percentile of the latency ÷ {reference}'s"),
            "below 1, to the left, is better",
            |peer| peer.p99_to_reference,
        )?);
    } else {
        charts.push(ratios(
            results,
            "throughput",
            format!("{workload}: {unit}/s ÷ {reference}'s"),
            "above 1, to the right, is better",
            |peer| peer.rate_to_reference,
        )?);
        for size in sizes_with_a_sweep(results) {
            charts
                .push(sweep(results, size, "throughput", format!("{unit}/s"), |it| it.requests_per_second)?);
            charts.push(sweep(results, size, "cpu", format!("CPU µs per {unit}"), |it| {
                it.cpu_per_request_microseconds
            })?);
        }
    }
    if results.unit != Unit::Mebibyte {
        for cell in &results.cells {
            charts.push(curves::chart(results, cell)?);
        }
    }
    Ok(charts.into_iter().flatten().collect())
}

fn ratios(
    results: &Results,
    name: &str,
    title: String,
    better: &str,
    figure: fn(&PeerResult) -> Option<Summary>,
) -> anyhow::Result<Option<Chart>> {
    let bars = |peers: &[PeerResult]| {
        peers.iter().filter_map(|peer| Some((peer.peer.clone(), figure(peer)?))).collect()
    };
    let groups = results.cells.iter();
    let groups = groups.map(|cell| Group { name: cell.cell.to_string(), bars: bars(&cell.peers) });
    Bars {
        name: format!("{}-{name}", results.workload),
        title,
        below: format!("{better}; medians of ratios within a rotation, lines from quartile to quartile"),
        scale: Scale::Ratio,
        groups: groups.collect(),
    }
    .draw()
}

/// The sizes that were measured with several counts of connections.
fn sizes_with_a_sweep(results: &Results) -> Vec<(Option<Direction>, usize)> {
    let key = |cell: Cell| (cell.direction, cell.size);
    let mut sizes = Vec::new();
    for (place, cell) in results.cells.iter().enumerate() {
        let again = results.cells[..place].iter().any(|other| {
            key(other.cell) == key(cell.cell) && other.cell.connections != cell.cell.connections
        });
        if again && !sizes.contains(&key(cell.cell)) {
            sizes.push(key(cell.cell));
        }
    }
    sizes
}

fn sweep(
    results: &Results,
    size: (Option<Direction>, usize),
    name: &str,
    figure_name: String,
    figure: fn(&PeerResult) -> Option<Summary>,
) -> anyhow::Result<Option<Chart>> {
    let mut cells: Vec<_> =
        results.cells.iter().filter(|it| (it.cell.direction, it.cell.size) == size).collect();
    cells.sort_by_key(|it| it.cell.connections);
    let marks =
        cells.iter().map(|it| (it.cell.connections as f64, it.cell.connections.to_string())).collect();
    let mut lines: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for cell in cells {
        for peer in &cell.peers {
            let Some(value) = figure(peer) else { continue };
            let point = (cell.cell.connections as f64, value.median);
            match lines.iter_mut().find(|(name, _)| *name == peer.peer) {
                Some((_, points)) => points.push(point),
                None => lines.push((peer.peer.clone(), vec![point])),
            }
        }
    }
    let shown = Cell { direction: size.0, connections: 1, size: size.1, rate: None }.to_string();
    let shown = shown.replacen("1x", "", 1);
    Lines {
        name: format!("{}-{name}-{}-over-connections", results.workload, shown.replace(':', "-")),
        title: format!("{} {shown}: {figure_name} over connections", results.workload),
        below: "medians; absolute figures belong to this machine".to_owned(),
        x: Axis { title: "connections", marks },
        y: "",
        lines,
    }
    .draw()
}
