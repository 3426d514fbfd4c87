//! The page itself. It needs nothing but itself: no scripts, fonts or pictures from elsewhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    Document,
    chart::Chart,
    overview::{self, Line, Verdict},
    provenance::provenance,
};
use crate::{
    measuring::{idle_results, row_results},
    measuring::{results, statistics::Summary},
    report::terminal::DISTURBED,
};

const STYLE: &str = "
body { font: 15px/1.45 sans-serif; max-width: 1280px; margin: 2em auto; padding: 0 1em; color: #1c1c1c; background: #fafafa }
h1, h2, h3 { line-height: 1.2 } h2 { margin-top: 2.2em; border-bottom: 1px solid #ccc }
table { border-collapse: collapse; margin: .6em 0 1.4em; font-size: 13px; background: #fff }
td, th { padding: .2em .45em; border: 1px solid #ddd; text-align: right; font-variant-numeric: tabular-nums }
td:first-child, th:first-child { text-align: left; white-space: nowrap } th { background: #f0f0f0 }
.better { background: #cfe8d5 } .worse { background: #f3cfc8 } .even { background: #fff }
table.text td, table.text th { text-align: left } .scroll { overflow-x: auto } code { background: #eee; padding: 0 .3em; overflow-wrap: anywhere }
figure { margin: 1em 0; background: #fff; border: 1px solid #ddd; overflow-x: auto; max-width: 862px }
svg { display: block; max-width: 100%; height: auto } .note { color: #555 } .disturbed { color: #a33 }
dt { font-weight: bold } dd { margin: 0 0 .3em 1em }
";

/// The whole page, of one section for each document.
pub(super) fn page(sections: &[(&Document, Vec<Chart>)]) -> Markup {
    let reference = sections.first().map_or("", |(document, _)| document.reference());
    let lines: Vec<Line> =
        sections.iter().flat_map(|(document, _)| overview::lines(document, reference)).collect();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { "anyio beside its peers" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "anyio beside its peers" }
                p {
                    "Each peer had the same to do on the same processor, in turns of a fraction of a second. Ratios are taken
                    between turns of the same rotation; shown is their median. Only ratios travel: absolute figures
                    belong to the machine. " code { "BENCHMARKS.md" } " explains the method."
                }
                (provenance(&sections.iter().map(|(document, _)| *document).collect::<Vec<_>>()))
                h2 { "Overview: everything ÷ " (reference) }
                p.note {
                    "Less is better in every line. Green is better than the reference, red is worse, with both quartiles on
                    that side of 1; white is no difference that can be told. raw-… are loops by hand without an
                    executor: what the kernel allows."
                }
                (overview_table(&lines))
                @for (document, charts) in sections { (section(document, charts)) }
            }
        }
    }
}

fn overview_table(lines: &[Line]) -> Markup {
    let peers = overview::peers(lines);
    html! {
        div.scroll { table {
            tr { th { "" } th { "of" } @for peer in &peers { th { (peer) } } }
            @for line in lines {
                tr {
                    td { (line.name) }
                    td { (line.figure) }
                    @for peer in &peers {
                        @match line.ratios.iter().find(|(name, _)| name == peer) {
                            Some((_, ratio)) => {
                                td class=(class(*ratio)) title=(spread(*ratio)) { (format!("{:.2}", ratio.median)) }
                            }
                            None => { td { "–" } }
                        }
                    }
                }
            }
        } }
    }
}

fn class(ratio: Summary) -> &'static str {
    match Verdict::of(ratio) {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::Even => "even",
    }
}

fn spread(ratio: Summary) -> String {
    crate::report::terminal::spread(ratio)
}

fn section(document: &Document, charts: &[Chart]) -> Markup {
    html! {
        h2 { (document.workload()) }
        @for chart in charts {
            figure role="img" aria-label=(chart.title) { (PreEscaped(&chart.svg)) }
        }
        details {
            summary { "All figures of " (document.workload()) }
            @match document {
                Document::Requests(results) => @for cell in &results.cells { (cell_table(results, cell)) },
                Document::Rows(results) => @for row in &results.rows { (row_table(results, row)) },
                Document::Idle(results) => (idle_table(results)),
            }
        }
    }
}

fn cell_table(results: &results::Results, cell: &results::CellResult) -> Markup {
    let unit = results.unit.short();
    let microseconds = |nanoseconds: u64| format!("{:.1}", nanoseconds as f64 / 1e3);
    html! {
        h3 { (results.workload) " " (cell.cell) }
        div.scroll { table {
            tr {
                th { "peer" } th { "CPU ÷ " (results.reference) " [quartiles] min–max" }
                @if cell.cell.rate.is_some() {
                    th { "p50 ÷ " (results.reference) " [quartiles] min–max" }
                    th { "p99 ÷ " (results.reference) " [quartiles] min–max" }
                } @else {
                    th { (unit) "/s ÷ " (results.reference) " [quartiles] min–max" }
                }
                th { "CPU µs / " (unit) } th { (unit) "/s" }
                th { "p50 µs" } th { "p99 µs" } th { "p99.9 µs" } th { "system calls / " (unit) } th { "RSS MiB" }
            }
            @for peer in &cell.peers {
                tr {
                    td { (peer.peer) }
                    (ratio(peer.cpu_to_reference, false))
                    @if cell.cell.rate.is_some() {
                        (ratio(peer.p50_to_reference, false))
                        (ratio(peer.p99_to_reference, false))
                    } @else {
                        (ratio(peer.rate_to_reference, true))
                    }
                    td { (median(peer.cpu_per_request_microseconds, 2)) }
                    td { (median(peer.requests_per_second, 0)) }
                    td { (microseconds(peer.latency.p50)) }
                    td { (microseconds(peer.latency.p99)) }
                    td { (microseconds(peer.latency.p99_9)) }
                    td { (peer.system_calls_per_request.map_or_else(|| "–".to_owned(), |calls| format!("{calls:.2}"))) }
                    td { (format!("{:.1}", peer.resident_bytes as f64 / (1 << 20) as f64)) }
                }
            }
        } }
        (failed(&cell.failures))
        @for peer in cell.peers.iter().filter(|peer| peer.disturbance() > DISTURBED) {
            (disturbed(&peer.peer, peer.disturbance()))
        }
    }
}

fn row_table(results: &row_results::Results, row: &row_results::RowResult) -> Markup {
    html! {
        h3 { (row.row) }
        p.note { (row.about) }
        div.scroll { table {
            tr {
                th { "peer" } th { "CPU ÷ " (results.reference) " [quartiles] min–max" }
                th { "time ÷ " (results.reference) " [quartiles] min–max" } th { "CPU ns / op" } th { "time ns / op" }
            }
            @for peer in &row.peers {
                tr {
                    td { (peer.peer) }
                    (ratio(peer.cpu_to_reference, false))
                    (ratio(peer.elapsed_to_reference, false))
                    td { (median(peer.cpu_nanoseconds, 1)) }
                    td { (median(peer.elapsed_nanoseconds, 1)) }
                }
            }
        } }
        (failed(&row.failures))
        @for peer in row.peers.iter().filter(|peer| peer.disturbance() > DISTURBED) {
            (disturbed(&peer.peer, peer.disturbance()))
        }
    }
}

fn idle_table(results: &idle_results::Results) -> Markup {
    html! {
        p.note {
            (results.connections) " connections; the limit of open files is " (results.open_files) "."
        }
        div.scroll { table {
            tr {
                th { "peer" } th { "PSS ÷ " (results.reference) " [quartiles] min–max" }
                th { "PSS bytes / connection" } th { "RSS bytes / connection" }
            }
            @for peer in &results.peers {
                tr {
                    td { (peer.peer) }
                    (ratio(peer.proportional_to_reference, false))
                    td { (median(peer.proportional_per_connection, 0)) }
                    td { (median(peer.resident_per_connection, 0)) }
                }
            }
        } }
    }
}

/// A ratio's cell in the colour of its verdict.
fn ratio(ratio: Option<Summary>, more_is_better: bool) -> Markup {
    let class = ratio.map_or("even", |ratio| match (class(ratio), more_is_better) {
        ("better", true) => "worse",
        ("worse", true) => "better",
        (class, _) => class,
    });
    html! { td class=(class) { (ratio.map_or_else(String::new, spread)) } }
}

fn median(summary: Option<Summary>, digits: usize) -> String {
    crate::report::terminal::median(summary, digits)
}

fn disturbed(peer: &str, share: f64) -> Markup {
    html! {
        p.disturbed {
            "disturbed: " (peer) " waited " (format!("{:.0}", share * 100.0)) " % of the time for its processor"
        }
    }
}

fn failed(failures: &[results::Failure]) -> Markup {
    html! {
        @for failure in failures {
            p.disturbed { "failed: " (failure.peer) " in rotation " (failure.rotation) ": " (failure.error) }
        }
    }
}
