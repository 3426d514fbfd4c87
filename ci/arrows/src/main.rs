//! Checks that modules need each other in one direction.
//!
//! ```text
//! arrows ROOT.rs...
//! ```
//!
//! For each root file its crate's modules are read, and which names of each other they use: in `use` declarations, paths
//! and macros; not in documentation and tests. In each folder the modules beside each other, everything below them
//! included, must not need each other in a circle. A module and those below it are one: they may name each other.

mod circles;
mod graph;
mod modules;
mod scan;

use graph::Graph;
use modules::Modules;
use std::{env, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let mut circles = 0;
    for root in env::args().skip(1) {
        let modules = match Modules::read(Path::new(&root)) {
            Ok(modules) => modules,
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        };
        for graph in Graph::of_folders(&modules) {
            for circle in graph.circles() {
                circles += 1;
                println!("{root}: a circle in `{}`:", graph.folder());
                for arrow in graph.arrows_within(&circle) {
                    println!("    {arrow}");
                }
            }
        }
    }
    if circles == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
