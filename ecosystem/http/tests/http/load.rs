//! wrk and h2load as clients. Without them these tests say so, and test nothing.

use crate::client::text;
use anyio::{
    Result,
    net::TcpListener,
    process::Command,
    streams::{Listener, Split},
    task_group,
};
use anyio_http::Server;
use std::io;

/// What a program writes, or `None` if there is no such program.
async fn run(program: &str, arguments: &[&str]) -> Result<Option<String>> {
    let mut command = Command::new(program);
    command.args(arguments);
    match command.output().await {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{program}: {said}{}", String::from_utf8_lossy(&output.stderr));
            Ok(Some(said))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            println!("there is no {program} here");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

async fn with_server(body: impl AsyncFnOnce(&Server<'_>, &str) -> Result<()>) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    serve(&listener, async |server| body(server, &url).await).await
}

async fn serve<L: Listener<Stream: Split>>(
    listener: &L,
    body: impl AsyncFnOnce(&Server<'_>) -> Result<()>,
) -> Result<()> {
    let server = Server::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(listener, async |_request| anyio::Ok(text("hello"))).await });
        body(&server).await?;
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!((server.statistics().failed, server.statistics().panicked), (0, 0));
    Ok(())
}

#[anyio::test]
async fn wrk_gets_nothing_but_good_answers() -> Result<()> {
    with_server(async |server, url| {
        let Some(said) = run("wrk", &["-t1", "-c50", "-d1s", url]).await? else { return Ok(()) };
        assert!(!said.contains("Non-2xx") && !said.contains("Socket errors"), "{said}");
        assert!(server.statistics().accepted_requests > 50, "{said}");
        assert!(server.statistics().accepted_connections >= 50);
        Ok(())
    })
    .await
}

#[anyio::test]
async fn h2load_gets_all_its_answers() -> Result<()> {
    with_server(async |server, url| {
        let arguments = ["-n2000", "-c8", "-m10", url];
        let Some(said) = run("h2load", &arguments).await? else { return Ok(()) };
        assert!(said.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"), "{said}");
        assert_eq!(server.statistics().accepted_requests, 2000);
        Ok(())
    })
    .await
}
