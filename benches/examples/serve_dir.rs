//! What `benches/file-server.sh` puts beside the file server: `ServeDir` of tower-http on hyper, in one thread of tokio.
//!
//!     serve_dir FOLDER PORT

use anyhow::{Context, Result};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use std::net::Ipv4Addr;
use tokio::net::TcpListener;
use tower_http::services::ServeDir;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().context("the folder is missing")?;
    let port = arguments.next().context("the port is missing")?.parse()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    // Pieces of 64 KiB, as it has by default, take twenty times as long for files of 4 MiB.
    let files = TowerToHyperService::new(ServeDir::new(folder).with_buf_chunk_size(1 << 20));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), files.clone());
        // A client that goes away, as each does at the end, is no error of the server.
        tokio::spawn(async move { drop(connection.await) });
    }
}
