//! Checks that modules need each other in one direction.
//!
//! ```text
//! arrows [--layers] [--one MODULE]... ROOT.rs...
//! arrows --seam MODULE LIST ROOT.rs
//! ```
//!
//! For each root file its crate's modules are read, and which names of each other they use: in `use` declarations, paths
//! and macros; not in documentation and tests. In each folder the modules beside each other, everything below them
//! included, must not need each other in a circle. A module and those below it are one: they may name each other. So
//! are the modules right below each that is given by `--one`. With `--layers` the modules of each root are printed, the
//! highest first: each line needs only what is in lines below it.
//!
//! With `--seam` it is another check: calls of the system are made in that module alone, and in the files that are listed.

mod circles;
mod graph;
mod modules;
mod scan;
mod seam;

use graph::Graph;
use modules::Modules;
use std::{env, fs, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    if env::args().nth(1).is_some_and(|first| first == "--seam") {
        return check_seam(&arguments.skip(1).collect::<Vec<_>>());
    }
    let (mut layers, mut one, mut roots) = (false, Vec::new(), Vec::new());
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--layers" => layers = true,
            "--one" => one.extend(arguments.next()),
            _ => roots.push(argument),
        }
    }
    let mut circles = 0;
    for root in roots {
        let modules = match Modules::read(Path::new(&root)) {
            Ok(modules) => modules,
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        };
        for graph in Graph::of_folders(&modules) {
            if one.iter().any(|one| one == graph.folder()) {
                continue;
            }
            let found = graph.circles();
            circles += found.len();
            for circle in &found {
                println!("{root}: a circle in `{}`:", graph.folder());
                for arrow in graph.arrows_within(circle) {
                    println!("    {arrow}");
                }
            }
            if layers && found.is_empty() && graph.folder() == "crate" {
                println!("{root}:");
                for layer in graph.layers() {
                    println!("    {}", layer.join("  "));
                }
            }
        }
    }
    if circles == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn check_seam(arguments: &[String]) -> ExitCode {
    let [seam, list, root] = arguments else {
        eprintln!("arrows --seam MODULE LIST ROOT.rs");
        return ExitCode::FAILURE;
    };
    let found = Modules::read(Path::new(root)).and_then(|modules| {
        let listed = fs::read_to_string(list).map_err(|error| format!("{list}: {error}"))?;
        seam::beside(&modules, seam, &listed)
    });
    match found {
        Ok(found) if found.is_empty() => ExitCode::SUCCESS,
        Ok(found) => {
            found.iter().for_each(|line| println!("{line}"));
            println!(
                "calls of the system go through {seam}, so that chaos hears of them; exceptions are in {list}"
            );
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
