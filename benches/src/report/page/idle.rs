//! The chart of memory that idle connections take.

use super::{
    bars::{Bars, Group, Scale},
    chart::Chart,
};
use crate::measuring::idle_results::Results;

pub(super) fn charts(results: &Results) -> anyhow::Result<Vec<Chart>> {
    let resident = results.peers.iter();
    let resident =
        resident.filter_map(|peer| Some((peer.peer.clone(), peer.proportional_per_connection?))).collect();
    let bars = Bars {
        name: results.workload.clone(),
        title: format!("{}: bytes of memory per connection, of {}", results.workload, results.connections),
        below: "growth of the server's proportional set size; shorter is better; the kernel's own memory is not in it"
            .to_owned(),
        scale: Scale::Amount,
        groups: vec![Group { name: format!("{} connections", results.connections), bars: resident }],
    };
    Ok(bars.draw()?.into_iter().collect())
}
