//! The report: one page with tables and charts, from what was measured or from the files that it was saved to.

mod bars;
mod chart;
mod colours;
mod curves;
mod document;
mod html;
mod idle;
mod lines;
mod overview;
mod provenance;
mod requests;
mod rows;

use std::{fs, path::Path, path::PathBuf};

use anyhow::Context;
use clap::Args;

use self::chart::Chart;

pub(crate) use document::Document;

/// What to make the page from, and where.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Files that measurements wrote with --json
    #[arg(long, required = true, num_args = 1..)]
    from: Vec<PathBuf>,
    /// The folder for the page and the charts
    #[arg(long)]
    to: PathBuf,
}

/// Makes the page from saved measurements.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut documents = Vec::new();
    for path in &arguments.from {
        let file = fs::read(path).with_context(|| path.display().to_string())?;
        documents.push(Document::read(&file).with_context(|| path.display().to_string())?);
    }
    write(&arguments.to, &documents)
}

/// Writes `report.html`, and each of its charts as a file beside it.
pub(crate) fn write(folder: &Path, documents: &[Document]) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut sections = Vec::new();
    for document in documents {
        let charts = charts(document)?;
        for chart in &charts {
            let path = folder.join(format!("{}.svg", chart.name));
            fs::write(&path, &chart.svg).with_context(|| path.display().to_string())?;
        }
        sections.push((document, charts));
    }
    let path = folder.join("report.html");
    fs::write(&path, html::page(&sections).into_string()).with_context(|| path.display().to_string())?;
    println!("The report is in {}", path.display());
    Ok(())
}

fn charts(document: &Document) -> anyhow::Result<Vec<Chart>> {
    match document {
        Document::Requests(results) => requests::charts(results),
        Document::Rows(results) => rows::charts(results),
        Document::Idle(results) => idle::charts(results),
    }
}
