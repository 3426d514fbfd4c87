//! The tables of rows on the terminal.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};

use crate::measuring::row_results::{PeerResult, Results, RowResult};
use crate::{
    peers::Peer,
    report::terminal::{DISTURBED, failed, median, spread},
};

/// One row's table.
pub(crate) fn row(result: &RowResult, reference: &str) -> String {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_header([
        "peer".to_owned(),
        format!("CPU ÷ {reference}\n[quartiles] min–max"),
        format!("time ÷ {reference}\n[quartiles] min–max"),
        "CPU ns\n/ op".to_owned(),
        "time ns\n/ op".to_owned(),
    ]);
    for peer in &result.peers {
        table.add_row([
            peer.peer.clone(),
            peer.cpu_to_reference.map_or_else(String::new, spread),
            peer.elapsed_to_reference.map_or_else(String::new, spread),
            median(peer.cpu_nanoseconds, 1),
            median(peer.elapsed_nanoseconds, 1),
        ]);
    }
    align_right(&mut table);
    let turn = result.peers.iter().flat_map(|peer| &peer.turns).max_by_key(|turn| turn.rotation);
    let (operations, rotations) = turn.map_or((0, 0), |turn| (turn.operations, turn.rotation));
    let mut text = format!(
        "\n{}: {} ({operations} operations, {rotations} rotations)\n{table}\n",
        result.row, result.about
    );
    text.push_str(&failed(&result.failures));
    for peer in result.peers.iter().filter(|peer| peer.disturbance() > DISTURBED) {
        let share = peer.disturbance() * 100.0;
        let _ = writeln!(text, "disturbed: {} waited {share:.0} % of the time for its processor", peer.peer);
    }
    text
}

/// All rows and peers: the medians of the ratios.
pub(crate) fn overview(results: &Results, peers: &[&Peer]) -> String {
    let mut table = Table::new();
    let mut header = vec![format!("÷ {}", results.reference), "of".to_owned()];
    header.extend(peers.iter().map(|peer| peer.name.to_owned()));
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_header(header);
    for result in &results.rows {
        let mut cells = vec![result.row.clone(), result.figure.name().to_owned()];
        for peer in peers {
            let found = result.peers.iter().find(|it| it.peer == peer.name);
            let ratio = found.and_then(|it: &PeerResult| it.ratio(result.figure));
            cells.push(ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{:.2}", ratio.median)));
        }
        table.add_row(cells);
    }
    align_right(&mut table);
    format!("\nOverview: medians of the ratios\n{table}\n")
}

fn align_right(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}
