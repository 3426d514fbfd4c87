//! Nothing is allocated for a request to the file server of the examples once everything is warm.

#![allow(clippy::incompatible_msrv, reason = "tests are built with a current compiler")]

#[path = "../peers/counting.rs"]
#[allow(dead_code, reason = "not all of it is used here")]
mod counting;

include!("../peers/file_server_modules.rs");

use addresses::Addresses;
use anyio::{
    Result,
    net::{TcpListener, TcpStream},
    task_group,
};
use clap::Parser;
use counting::{ALLOCATIONS, HELD};
use options::Options;
use server::Server;
use std::fs;
use stream::Entrance;

const BATCH: usize = 50;

/// Asks so many times, and reads each answer to its end.
async fn ask(client: &TcpStream, request: &'static str, answer: usize) -> Result<()> {
    for _ in 0..BATCH {
        client.send(request).await?;
        let mut left = answer;
        while left > 0 {
            left -= client.receive().await?.expect("the answer goes on").len();
        }
    }
    Ok(())
}

/// How long the answer to a request is, with its head.
async fn length_of_answer(client: &TcpStream, request: &'static str, content: usize) -> Result<usize> {
    client.send(request).await?;
    let mut received = Vec::new();
    loop {
        received.extend_from_slice(&client.receive().await?.expect("the answer goes on"));
        if let Some(head) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let whole = head + 4 + content;
            if received.len() >= whole {
                return Ok(whole);
            }
        }
    }
}

/// The fewest allocations of several batches of requests: once a second the date is another.
async fn allocations(request: &'static str, content: usize) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("file"), vec![b'x'; content])?;
    let options = Options::parse_from(["file_server", "--quiet"]);
    let addresses = Addresses::new(0);
    let server = Server::new(&options, folder.path(), &addresses);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let fewest = task_group(async |tg| -> Result<u64> {
        tg.start_soon(server.serve(Entrance::Plain(listener)));
        let client = TcpStream::connect(address).await?;
        let cold = ALLOCATIONS.get();
        let answer = length_of_answer(&client, request, content).await?;
        assert!(ALLOCATIONS.get() > cold, "the first answer is made, and that is seen");
        ask(&client, request, answer).await?;
        let mut fewest = u64::MAX;
        for _ in 0..8 {
            let before = ALLOCATIONS.get();
            ask(&client, request, answer).await?;
            fewest = fewest.min(ALLOCATIONS.get() - before);
        }
        tg.cancel();
        Ok(fewest)
    })
    .await?;
    Ok(fewest.expect("it has ended before it was cancelled"))
}

const REQUEST: &str =
    "GET /file HTTP/1.1\r\nHost: example\r\nAccept-Encoding: gzip\r\nUser-Agent: test\r\n\r\n";

#[anyio::test(calm = "what chaos does allocates")]
async fn nothing_is_allocated_for_a_short_file() -> Result<()> {
    assert_eq!(allocations(REQUEST, 1024).await?, 0);
    Ok(())
}

#[anyio::test(calm = "what chaos does allocates")]
async fn nothing_is_allocated_for_a_long_file() -> Result<()> {
    assert_eq!(allocations(REQUEST, 100 * 1024).await?, 0);
    Ok(())
}

/// How many bytes a connection holds that is idle after so many requests at once, with its client.
async fn held_after(requests: usize) -> Result<i64> {
    const CONNECTIONS: i64 = 20;
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("file"), "x")?;
    let options = Options::parse_from(["file_server", "--quiet"]);
    let addresses = Addresses::new(0);
    let server = Server::new(&options, folder.path(), &addresses);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let held = task_group(async |tg| -> Result<i64> {
        tg.start_soon(server.serve(Entrance::Plain(listener)));
        let (mut clients, mut before) = (Vec::new(), 0);
        for number in 0..=CONNECTIONS {
            if number == 1 {
                before = HELD.get();
            }
            let client = TcpStream::connect(address).await?;
            let answer = length_of_answer(&client, REQUEST, 1).await?;
            let asking = async { client.send(REQUEST.repeat(requests)).await };
            let reading = async {
                let mut left = requests * answer;
                while left > 0 {
                    left -= client.receive().await?.expect("the answers go on").len();
                }
                anyio::Ok(())
            };
            let (asked, read) = futures_util::join!(asking, reading);
            asked?;
            read?;
            clients.push(client);
        }
        tg.cancel();
        Ok((HELD.get() - before) / CONNECTIONS)
    })
    .await?;
    Ok(held.expect("it has ended before it was cancelled"))
}

#[anyio::test(calm = "what chaos does allocates")]
async fn an_idle_connection_holds_no_more_for_what_it_has_sent_before() -> Result<()> {
    held_after(1).await?;
    let (usual, flooded) = (held_after(1).await?, held_after(2000).await?);
    assert!(flooded < usual + 6 * 1024, "{flooded} bytes in place of {usual}");
    Ok(())
}
