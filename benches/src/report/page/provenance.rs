//! Where the figures come from, and what is needed to take them again.

use maud::{Markup, html};

use super::Document;
use crate::measuring::machine::Machine;

/// Documents that were measured by the same program on the same machine.
struct Origin<'a> {
    machine: &'a Machine,
    documents: Vec<&'a Document>,
}

impl Origin<'_> {
    /// The versions of everything that took part in any of them.
    fn versions(&self) -> Vec<&str> {
        let versions = self.documents.iter().flat_map(|document| &document.machine().versions);
        let mut versions: Vec<_> = versions.map(String::as_str).collect();
        versions.sort_unstable();
        versions.dedup();
        versions
    }
}

/// Each machine and program once, with all that was measured there.
pub(super) fn provenance(documents: &[&Document]) -> Markup {
    let mut origins: Vec<Origin<'_>> = Vec::new();
    for document in documents {
        match origins.iter_mut().find(|origin| origin.machine.is_as(document.machine())) {
            Some(origin) => origin.documents.push(document),
            None => origins.push(Origin { machine: document.machine(), documents: vec![document] }),
        }
    }
    html! { @for origin in &origins { (one(origin)) } }
}

fn one(origin: &Origin<'_>) -> Markup {
    let machine = origin.machine;
    html! {
        dl {
            dt { "Machine" }
            dd {
                (machine.host) ": " (machine.cpu) ", " (machine.processors) " processors, " (machine.memory)
                ", Linux " (machine.kernel)
            }
            dt { "Built by" }
            dd {
                (machine.rust) ", profile " (machine.profile) ", source " code { (machine.revision) }
                @if machine.profile != "release" {
                    " " b.disturbed { "not a release build: these figures mean nothing" }
                }
            }
            dt { "Versions" }
            dd { (origin.versions().join(", ")) }
            @if !machine.mitigations.is_empty() {
                dt { "Mitigations of the processor's vulnerabilities" }
                dd {
                    @for (name, state) in machine.mitigations.iter().filter(|(_, state)| *state != "Not affected") {
                        (name) ": " (state) ". "
                    }
                }
            }
        }
        div.scroll { table.text {
            tr { th { "workload" } th { "begun" } th { "command" } th { "with" } th { "load average at the start" } }
            @for document in &origin.documents {
                tr {
                    td { (document.workload()) }
                    td { (document.machine().date) }
                    td { code { (document.machine().command_line) } }
                    td { (document.repetition()) }
                    td { (document.machine().load_average) }
                }
            }
        } }
    }
}
