//! All ratios of all workloads in one table, in which a loss is as plain to see as a win.

use super::Document;
use crate::{
    measuring::{results::Unit, statistics::Summary},
    peers::ALL,
};

/// One line: what was measured, and each peer's ratio to the reference.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) figure: &'static str,
    pub(super) ratios: Vec<(String, Summary)>,
}

/// How a ratio is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Better,
    Worse,
    /// The quartiles lie on both sides of 1.
    Even,
}

impl Verdict {
    pub(super) fn of(ratio: Summary) -> Self {
        if ratio.upper_quartile < 1.0 {
            Self::Better
        } else if ratio.lower_quartile > 1.0 {
            Self::Worse
        } else {
            Self::Even
        }
    }
}

/// The lines of a document. Less is better in all of them. A reference that is not the usual one is named.
pub(super) fn lines(document: &Document, usual_reference: &str) -> Vec<Line> {
    let other = Some(document.reference()).filter(|it| *it != usual_reference);
    let beside = other.map_or_else(String::new, |reference| format!(" ÷ {reference}"));
    let line = |name: String, figure, ratios: Vec<(&String, Option<Summary>)>| Line {
        name: name + &beside,
        figure,
        ratios: ratios.into_iter().filter_map(|(peer, ratio)| Some((peer.clone(), ratio?))).collect(),
    };
    match document {
        Document::Requests(results) => {
            let lines = results.cells.iter().flat_map(|cell| {
                let peers = || cell.peers.iter();
                let name = || format!("{} {}", results.workload, cell.cell);
                let cpu = peers().map(|it| (&it.peer, it.cpu_to_reference)).collect();
                let mut lines = vec![line(name(), "CPU", cpu)];
                // With one connection what counts is how long it takes.
                let alone = cell.cell.connections == 1 && cell.cell.rate.is_none();
                if alone || results.unit == Unit::Mebibyte {
                    let time = peers().map(|it| (&it.peer, it.rate_to_reference.map(Summary::inverse)));
                    lines.push(line(name(), "time", time.collect()));
                }
                if cell.cell.rate.is_some() {
                    let p50 = peers().map(|it| (&it.peer, it.p50_to_reference)).collect();
                    let p99 = peers().map(|it| (&it.peer, it.p99_to_reference)).collect();
                    lines.extend([line(name(), "p50", p50), line(name(), "p99", p99)]);
                }
                lines
            });
            lines.collect()
        }
        Document::Rows(results) => {
            let lines = results.rows.iter().map(|row| {
                let ratios = row.peers.iter().map(|it| (&it.peer, it.ratio(row.figure))).collect();
                line(format!("{} {}", results.workload, row.row), row.figure.name(), ratios)
            });
            lines.collect()
        }
        Document::Idle(results) => {
            let ratios = results.peers.iter().map(|it| (&it.peer, it.proportional_to_reference)).collect();
            vec![line(format!("{} {}", results.workload, results.connections), "memory", ratios)]
        }
    }
}

/// All peers of these lines, in the order of the tables; those that are no peers any more come last.
pub(super) fn peers(lines: &[Line]) -> Vec<String> {
    let mut peers: Vec<String> = Vec::new();
    for (peer, _) in lines.iter().flat_map(|line| &line.ratios) {
        if !peers.contains(peer) {
            peers.push(peer.clone());
        }
    }
    let place = |name: &String| ALL.iter().position(|peer| peer.name == name).unwrap_or(ALL.len());
    peers.sort_by_key(place);
    peers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_counts_as_a_difference_only_if_both_quartiles_are_on_one_side() {
        let verdict = |values: [f64; 3]| Verdict::of(Summary::of(values).unwrap());
        assert_eq!(verdict([0.7, 0.8, 0.9]), Verdict::Better);
        assert_eq!(verdict([1.1, 1.2, 1.3]), Verdict::Worse);
        assert_eq!(verdict([0.8, 1.0, 1.3]), Verdict::Even);
    }
}
