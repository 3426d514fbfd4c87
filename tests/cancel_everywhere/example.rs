//! The file server of the examples, cut short while clients download.

use crate::{addresses::Addresses, options::Options, scratch::Folder, server::Server, stream::Entrance};
use anyio::{
    Result, gather,
    net::{TcpListener, TcpStream},
    task_group,
    testing::{Everywhere, cancel_everywhere},
};
use clap::Parser;
use std::net::SocketAddr;

const LENGTH: usize = 50_000;

/// Downloads a file, and gives how many bytes came with it.
async fn download(address: SocketAddr) -> Result<usize> {
    let stream = TcpStream::connect(address).await?;
    stream.send("GET /a HTTP/1.1\r\nHost: example\r\nConnection: close\r\n\r\n").await?;
    let mut count = 0;
    while let Some(chunk) = stream.receive().await? {
        count += chunk.len();
    }
    stream.close().await?;
    Ok(count)
}

/// Serves two downloads, and ends.
async fn serve(folder: &Folder, listener: TcpListener) -> Result<Vec<usize>> {
    let address = listener.local_addr()?;
    let options = Options::parse_from(["file_server", "--quiet"]);
    let addresses = Addresses::new(options.connections_per_address);
    let server = Server::new(&options, folder.path(), &addresses);
    let served = task_group(async |tg| -> Result<Vec<usize>> {
        tg.start_soon(server.serve(Entrance::Plain(listener)));
        let counts = gather((0..2).map(|_| download(address))).await?;
        tg.cancel();
        Ok(counts)
    })
    .await?;
    served.ok_or(anyio::Error::ClosedResource)
}

#[anyio::test]
async fn the_file_server_leaves_nothing_and_serves_again() {
    for options in [Everywhere::cancel().children(false).pairs(0, 0), Everywhere::drop()] {
        let report = cancel_everywhere(
            // In how many pieces a file comes depends on the kernel, and a client that is cancelled late may have lost its server.
            options.allow_differences().allow_errors(),
            async || {
                let folder = Folder::with_file(vec![7; LENGTH]);
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                (folder, listener.local_addr().unwrap(), Some(listener))
            },
            async |(folder, _, listener)| serve(folder, listener.take().expect("it serves once")).await,
            async |(folder, address, listener), _| {
                drop(listener);
                let listener = TcpListener::bind(address).await.unwrap();
                let counts = serve(&folder, listener).await.unwrap();
                assert!(counts.len() == 2 && counts.iter().all(|&count| count > LENGTH), "{counts:?}");
            },
        )
        .await;
        assert!(report.survived >= 4 && report.survived * 4 >= report.checkpoints * 3, "{report}");
    }
}
