//! The rotation of workers through one row after the other.

use std::{fs::File, io::BufWriter, path::Path, time::Instant};

use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use super::Arguments;
use crate::measuring::{
    row::Row,
    row_results::{Results, RowResult, Turn, Turns},
};
use crate::report::row_table;
use crate::{
    measuring::{interrupt::Interrupt, limits, machine::Machine, measure::run_queue_wait, results::Failure},
    peers::{self, Peer},
    report::{
        page::{self, Document},
        terminal,
    },
    workloads::worker::Worker,
};

const ROUNDS: u32 = 20;
const QUICK_ROUNDS: u32 = 5;

/// Measures the chosen rows of a workload.
pub(crate) fn run(workload: &'static str, rows: &'static [Row], arguments: &Arguments) -> anyhow::Result<()> {
    run_in(Path::new("."), workload, rows, arguments)
}

/// Measures the chosen rows of a workload, with workers in a folder.
pub(crate) fn run_in(
    folder: &Path,
    workload: &'static str,
    rows: &'static [Row],
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let interrupt = Interrupt::install()?;
    limits::raise_open_files()?;
    let peers = chosen_peers(workload, arguments)?;
    let rows = chosen_rows(rows, &arguments.rows)?;
    let rounds = arguments.rounds.unwrap_or(if arguments.quick { QUICK_ROUNDS } else { ROUNDS });
    let json =
        arguments.json.as_ref().map(|path| File::create(path).with_context(|| path.display().to_string()));
    let json = json.transpose()?;

    let machine = Machine::inspect(&peers::packages(peers.iter().copied()));
    print!("{}", terminal::header(&machine));
    let mut random = fastrand::Rng::with_seed(arguments.seed);
    let total = (rows.len() * peers.len()) as u64 * u64::from(rounds + 1);
    let progress = ProgressBar::new(total).with_style(ProgressStyle::with_template(
        "{bar:30} {pos}/{len} turns, {elapsed} gone, {eta} left  {msg}",
    )?);
    let reference = arguments.reference.name;
    let mut results = Results {
        machine,
        workload: workload.to_owned(),
        reference: reference.to_owned(),
        rounds,
        seed: arguments.seed,
        rows: Vec::new(),
    };
    for row in rows {
        progress.set_message(row.name);
        let rotation =
            Rotation { folder, workload, row, arguments, rounds, interrupt: &interrupt, progress: &progress };
        let (turns, failures) = rotation.measure(&peers, &mut random)?;
        let result = RowResult::new(row, turns, failures, reference);
        progress.suspend(|| print!("{}", row_table::row(&result, reference)));
        results.rows.push(result);
    }
    progress.finish_and_clear();
    print!("{}", row_table::overview(&results, &peers));
    if let Some(file) = json {
        serde_json::to_writer_pretty(BufWriter::new(file), &results)?;
    }
    if let Some(folder) = &arguments.report {
        page::write(folder, &[Document::Rows(results)])?;
    }
    Ok(())
}

fn chosen_peers(workload: &str, arguments: &Arguments) -> anyhow::Result<Vec<&'static Peer>> {
    let takes_part = |peer: &Peer| peer.jobs.iter().any(|(name, _)| *name == workload);
    let mut peers = arguments.peers.clone();
    if peers.is_empty() {
        peers.extend(peers::ALL.iter().filter(|peer| takes_part(peer)));
    }
    if !peers.iter().any(|peer| peer.name == arguments.reference.name) {
        peers.insert(0, arguments.reference);
    }
    for (index, peer) in peers.iter().enumerate() {
        ensure!(takes_part(peer), "{} takes no part in {workload}", peer.name);
        ensure!(!peers[..index].iter().any(|other| other.name == peer.name), "{} is named twice", peer.name);
    }
    Ok(peers)
}

fn chosen_rows(rows: &'static [Row], chosen: &[String]) -> anyhow::Result<Vec<&'static Row>> {
    let names = || rows.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
    for name in chosen {
        ensure!(
            rows.iter().any(|row| row.name.starts_with(name)),
            "no such row as {name}; there are {}",
            names()
        );
    }
    let is_chosen = |row: &&Row| chosen.is_empty() || chosen.iter().any(|name| row.name.starts_with(name));
    Ok(rows.iter().filter(is_chosen).collect())
}

/// How one row is measured.
struct Rotation<'a> {
    folder: &'a Path,
    workload: &'static str,
    row: &'static Row,
    arguments: &'a Arguments,
    rounds: u32,
    interrupt: &'a Interrupt,
    progress: &'a ProgressBar,
}

impl Rotation<'_> {
    fn measure(
        &self,
        peers: &[&'static Peer],
        random: &mut fastrand::Rng,
    ) -> anyhow::Result<(Vec<Turns>, Vec<Failure>)> {
        let Arguments { core, other_core, .. } = *self.arguments;
        let mut runners = Vec::new();
        let mut turns: Vec<Turns> = Vec::new();
        let mut failures = Vec::new();
        for (place, peer) in peers.iter().enumerate() {
            turns.push(Turns { peer: peer.name, turns: Vec::new() });
            if peer.job(self.workload, self.row.job).is_some() {
                let worker = Worker::start(self.folder, self.workload, peer, self.row.job, core, other_core)?;
                runners.push((place, worker));
            }
        }
        // The first rotation warms up and is not counted.
        for rotation in 0..=self.rounds {
            random.shuffle(&mut runners);
            let mut working = Vec::new();
            for (place, mut worker) in runners {
                self.interrupt.check()?;
                let turn = self.turn(&mut worker, rotation);
                self.progress.inc(1);
                match turn {
                    Ok(turn) => {
                        turns[place].turns.extend((rotation > 0).then_some(turn));
                        working.push((place, worker));
                    }
                    Err(error) => failures.push(Failure {
                        peer: worker.peer.name.to_owned(),
                        rotation,
                        error: format!("{error:#}"),
                    }),
                }
            }
            runners = working;
        }
        turns.retain(|turns| !turns.turns.is_empty());
        Ok((turns, failures))
    }

    fn turn(&self, worker: &mut Worker, rotation: u32) -> anyhow::Result<Turn> {
        let (wait, began) = (run_queue_wait(worker.id())?, Instant::now());
        let measured = worker.work((self.row.operations / self.arguments.thin).max(1))?;
        Ok(Turn {
            rotation,
            operations: measured.operations,
            elapsed_nanoseconds: measured.elapsed.as_nanos() as u64,
            cpu_nanoseconds: measured.cpu.as_nanos() as u64,
            turn_nanoseconds: began.elapsed().as_nanos() as u64,
            run_queue_wait_nanoseconds: (run_queue_wait(worker.id())? - wait).as_nanos() as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measuring::row::Figure;

    const fn row(name: &'static str) -> Row {
        Row { name, about: "", job: "", operations: 1, figure: Figure::Cpu }
    }

    static ROWS: &[Row] = &[row("groups-1"), row("groups-10"), row("yield")];

    fn names(chosen: &[&str]) -> anyhow::Result<Vec<&'static str>> {
        let chosen: Vec<_> = chosen.iter().map(ToString::to_string).collect();
        Ok(chosen_rows(ROWS, &chosen)?.iter().map(|row| row.name).collect())
    }

    #[test]
    fn rows_are_chosen_by_the_beginning_of_their_names() {
        assert_eq!(names(&[]).unwrap().len(), 3);
        assert_eq!(names(&["groups"]).unwrap(), ["groups-1", "groups-10"]);
        assert_eq!(names(&["yield", "groups-10"]).unwrap(), ["groups-10", "yield"]);
    }

    #[test]
    fn a_row_that_there_is_not_is_refused_with_the_names_there_are() {
        let error = names(&["sleep"]).unwrap_err().to_string();
        assert!(error.contains("groups-10"), "{error}");
    }
}
