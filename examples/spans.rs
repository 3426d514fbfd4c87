//! What a program does, as spans and events of `tracing` on standard error:
//!
//!     cargo run --example spans --features tracing
//!
//! Each line shows within which tasks and named scopes it was said.

use anyio::{CancelScope, Result, sleep, task_group, to_thread};
use clap::Parser;
use std::time::Duration;
use tracing::{Level, info};

async fn visit(place: &str, takes: Duration) -> Result<()> {
    let limit = CancelScope::new()
        .named("visit")
        .with_timeout(Duration::from_millis(50))
        .with_timeout_message(format!("too long on the way to {place}"));
    let visited = limit
        .run(async || -> Result<()> {
            info!(place, "on the way");
            sleep(takes).await?;
            to_thread::run_sync(|| info!("a thread works for the task")).await?;
            Ok(())
        })
        .await?;
    info!(place, arrived = visited.is_some(), "back");
    Ok(())
}

/// Goes to two places, and shows the spans of tasks and scopes meanwhile.
#[derive(Debug, Parser)]
struct Arguments {}

#[anyio::main]
async fn main() -> Result<()> {
    Arguments::parse();
    tracing_subscriber::fmt().with_max_level(Level::TRACE).with_writer(std::io::stderr).init();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(visit("the shop", Duration::from_millis(5))).set_name("shopping");
        tg.start_soon(visit("the moon", Duration::from_secs(60))).set_name("travelling");
        Ok(())
    })
    .await?;
    Ok(())
}
