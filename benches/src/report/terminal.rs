//! The tables on the terminal.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};

use crate::measuring::{
    machine::Machine,
    results::{CellResult, Failure, PeerResult, Results},
    statistics::Summary,
};

/// From this share of waiting for a processor on, a cell is marked as disturbed.
pub(crate) const DISTURBED: f64 = 0.02;

/// Machine, versions and what the figures are good for.
pub(crate) fn header(machine: &Machine) -> String {
    let Machine { date, host, cpu, processors, memory, kernel, rust, profile, revision, versions, .. } =
        machine;
    let mut text = format!(
        "{date} on {host}: {cpu}, {processors} processors, {memory}, Linux {kernel}\n\
         {rust}, {profile} build of {revision}; {}\n\
         {}\n\
         load average at the start: {}\n\
         Absolute times belong to this machine; only ratios travel.\n",
        versions.join(", "),
        machine.command_line,
        machine.load_average,
    );
    if profile != "release" {
        text.push_str("NOT a release build: these figures mean nothing.\n");
    }
    text
}

/// One cell's table.
pub(crate) fn cell(result: &CellResult, results: &Results) -> String {
    let (reference, unit) = (&results.reference, results.unit.short());
    let best = result.best_by_hand.as_deref().unwrap_or("best loop");
    // There the rate is given, and how long the answers take is the point.
    let at_fixed_rate = result.cell.rate.is_some();
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_header([
        "peer".to_owned(),
        format!("CPU ÷ {reference}\n[quartiles] min–max"),
        if at_fixed_rate { format!("p50 ÷\n{reference}") } else { format!("CPU ÷\n{best}") },
        if at_fixed_rate { format!("p99 ÷\n{reference}") } else { format!("{unit}/s ÷\n{reference}") },
        format!("CPU µs\n/ {unit}"),
        format!("{unit}/s"),
        "p50 µs".to_owned(),
        "p99 µs".to_owned(),
        "p99.9 µs".to_owned(),
        "user/sys\n%".to_owned(),
        format!("switches\n/ {unit}"),
        format!("syscalls\n/ {unit}"),
        "RSS MiB".to_owned(),
    ]);
    for peer in &result.peers {
        table.add_row(row(peer, at_fixed_rate));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let slices = result.peers.iter().flat_map(|peer| &peer.slices);
    let rotations = slices.map(|slice| slice.rotation).max().unwrap_or(0);
    let mut text = format!("\n{} ({rotations} rotations)\n{table}\n", result.cell);
    text.push_str(&failed(&result.failures));
    for peer in result.peers.iter().filter(|peer| peer.disturbance() > DISTURBED) {
        let share = peer.disturbance() * 100.0;
        let _ = writeln!(text, "disturbed: {} waited {share:.0} % of the time for its processor", peer.peer);
    }
    text
}

/// A line for each peer that dropped out.
pub(crate) fn failed(failures: &[Failure]) -> String {
    let line = |it: &Failure| format!("failed: {} in rotation {}: {}\n", it.peer, it.rotation, it.error);
    failures.iter().map(line).collect()
}

fn row(peer: &PeerResult, at_fixed_rate: bool) -> [String; 13] {
    let requests = peer.requests() as f64;
    let ticks = (peer.user_ticks + peer.system_ticks) as f64;
    let user = 100.0 * peer.user_ticks as f64 / ticks;
    let switches = (peer.voluntary_switches + peer.involuntary_switches) as f64 / requests;
    let microseconds = |nanoseconds: u64| format!("{:.1}", nanoseconds as f64 / 1e3);
    let [third, fourth] = if at_fixed_rate {
        [median(peer.p50_to_reference, 2), median(peer.p99_to_reference, 2)]
    } else {
        let to_best = peer.cpu_to_best_by_hand.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        [to_best, median(peer.rate_to_reference, 2)]
    };
    [
        peer.peer.clone(),
        peer.cpu_to_reference.map_or_else(String::new, spread),
        third,
        fourth,
        median(peer.cpu_per_request_microseconds, 2),
        median(peer.requests_per_second, 0),
        microseconds(peer.latency.p50),
        microseconds(peer.latency.p99),
        microseconds(peer.latency.p99_9),
        if ticks > 0.0 { format!("{user:.0}/{:.0}", 100.0 - user) } else { String::new() },
        format!("{switches:.3}"),
        peer.system_calls_per_request.map_or_else(|| "–".to_owned(), |calls| format!("{calls:.2}")),
        format!("{:.1}", peer.resident_bytes as f64 / (1 << 20) as f64),
    ]
}

pub(crate) fn spread(ratio: Summary) -> String {
    let Summary { min, lower_quartile, median, upper_quartile, max } = ratio;
    format!("{median:.2} [{lower_quartile:.2} {upper_quartile:.2}] {min:.2}–{max:.2}")
}

pub(crate) fn median(summary: Option<Summary>, digits: usize) -> String {
    summary.map_or_else(String::new, |summary| format!("{:.digits$}", summary.median))
}
