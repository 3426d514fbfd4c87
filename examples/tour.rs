//! A tour of task groups and cancel scopes, printed step by step.
//!
//!     cargo run --example tour

use anyio::{
    Error, ErrorGroup, Result, Started, TaskGroup, fail_after, gather, move_on_after, net::TcpListener,
    net::TcpStream, race, shield, sleep, sleep_forever, task_group, using,
};
use clap::Parser;
use output::say;
use std::{cell::Cell, net::SocketAddr, process::ExitCode, time::Duration};

#[path = "shared/output.rs"]
mod output;

/// Shows, step by step, what task groups and cancel scopes do.
#[derive(Debug, Parser)]
struct Arguments {}

const MOMENT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(3600);

#[anyio::main]
async fn main() -> ExitCode {
    Arguments::parse();
    output::conclude(tour().await.map(|()| ExitCode::SUCCESS))
}

async fn tour() -> anyhow::Result<()> {
    borrowing().await?;
    errors().await?;
    deadlines().await?;
    starting().await?;
    cleaning_up().await?;
    racing().await?;
    gathering().await?;
    Ok(())
}

/// Children borrow what was there before their group: they have all ended when the group has.
async fn borrowing() -> Result<()> {
    step("children borrow local variables")?;
    let words = vec![String::from("structured"), String::from("concurrency")];
    let letters = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        for word in &words {
            let letters = &letters;
            tg.start_soon(async move {
                sleep(MOMENT).await?;
                letters.set(letters.get() + word.len());
                say!("counted {word:?}")?;
                anyio::Ok(())
            });
        }
        Ok(())
    })
    .await?;
    say!("{} letters, and no child is left", letters.get())?;
    Ok(())
}

/// When a child fails the others are cancelled and awaited, and the errors come out of the group.
async fn errors() -> Result<()> {
    step("one child fails, the others are cancelled")?;
    let ended = task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let cancelled = sleep(LONG).await;
            say!("the sleeper ends with: {}", cancelled.unwrap_err())?;
            anyio::Ok(())
        });
        tg.start_soon(async {
            sleep(MOMENT).await?;
            TcpStream::connect("127.0.0.1:1").await?.close().await
        });
        Ok(())
    })
    .await;
    let rest = ended.map(drop).or_else(|errors: ErrorGroup<Error>| {
        errors.handle(|error| match error {
            Error::Io(error) | Error::BrokenResource(error) => {
                say!("dealt with: {error}")?;
                Ok(())
            }
            other => Err(other),
        })
    });
    say!("left after that: {rest:?}")?;
    Ok(())
}

/// A scope with a deadline reaches whatever runs inside it, however deep.
async fn deadlines() -> Result<()> {
    step("deadlines")?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = move_on_after(MOMENT, listener.accept()).await?;
    say!("nobody connected in time: {}", client.is_none())?;
    let failed: Result<TcpStream> = fail_after(MOMENT, listener.accept()).await;
    say!("the same as an error: {}", failed.unwrap_err())?;
    let inner_first = move_on_after(LONG, async {
        let inner = move_on_after(MOMENT, sleep_for_ever()).await?;
        anyio::Ok(inner.is_none())
    })
    .await?;
    say!("the inner deadline passed and the outer did not: {inner_first:?}")?;
    Ok(())
}

async fn sleep_for_ever() -> Result<()> {
    Err(sleep_forever().await.into())
}

/// `start` waits until a child says that it is ready.
async fn starting() -> Result<()> {
    step("a child that is started in two steps")?;
    task_group(async |tg| -> Result<()> {
        let (address, server) = tg.start(greeter).await?;
        say!("the server is ready on its port: {}", address.port() != 0)?;
        let client = TcpStream::connect(address).await?;
        let greeting = client.receive().await?.ok_or(Error::EndOfStream)?;
        say!("it says {:?}", String::from_utf8_lossy(&greeting))?;
        server.cancel();
        Ok(())
    })
    .await?;
    say!("the server was cancelled, and the group ended well")?;
    Ok(())
}

async fn greeter(ready: Started<SocketAddr>) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    ready.set(listener.local_addr()?);
    listener
        .serve(async |stream: TcpStream| -> Result<()> {
            stream.send("hello").await?;
            stream.close().await
        })
        .await?;
    Ok(())
}

/// Cleanup is shielded: it may wait although everything around it is cancelled.
async fn cleaning_up() -> Result<()> {
    step("cleanup in spite of a cancellation")?;
    move_on_after(MOMENT, async {
        using(
            "a table",
            async |table: &mut &str| -> Result<()> {
                say!("working at {table}")?;
                sleep_for_ever().await
            },
            async |table| {
                sleep(MOMENT).await?;
                say!("cleared {table}, which took a moment")?;
                Ok(())
            },
        )
        .await
    })
    .await?;
    move_on_after(MOMENT, async {
        shield(sleep(2 * MOMENT)).await?;
        say!("slept through its deadline behind a shield")?;
        sleep(MOMENT).await?;
        say!("this is never printed")?;
        anyio::Ok(())
    })
    .await?;
    Ok(())
}

/// The first decides; the others are cancelled, and have ended when the race is over.
async fn racing() -> Result<()> {
    step("a race")?;
    let running = Cell::new(0);
    let running = &running;
    let runners = [50, 1, 80].map(|times| async move {
        running.set(running.get() + 1);
        let ran = sleep(times * MOMENT).await;
        running.set(running.get() - 1);
        ran?;
        anyio::Ok(times)
    });
    say!("won by {}, still running: {}", race(runners).await?, running.get())?;
    Ok(())
}

/// Values in the order of the futures, and children started by children.
async fn gathering() -> Result<()> {
    step("many results")?;
    let squares = gather((1..=5).map(|n| async move {
        sleep(MOMENT / n).await?;
        anyio::Ok(n * n)
    }))
    .await?;
    say!("squares: {squares:?}")?;
    let leaves = Cell::new(0);
    let leaves_in = &leaves;
    task_group(async move |tg| -> Result<()> { grow(tg, leaves_in, 4) }).await?;
    say!("a tree of tasks has {} leaves", leaves.get())?;
    Ok(())
}

/// Starts two children, each of which does the same, down to a depth.
fn grow<'scope>(
    tg: &'scope TaskGroup<'scope, '_, Error>,
    leaves: &'scope Cell<u32>,
    depth: u32,
) -> Result<()> {
    if depth == 0 {
        leaves.set(leaves.get() + 1);
        return Ok(());
    }
    for _ in 0..2 {
        tg.start_soon(async move {
            sleep(Duration::ZERO).await?;
            grow(tg, leaves, depth - 1)
        });
    }
    Ok(())
}

fn step(title: &str) -> Result<()> {
    Ok(say!("\n== {title}")?)
}
