//! An echo server and client over QUIC: quinn-proto's state machine on anyio's UDP sockets, one thread for each core.
//!
//! ```text
//! cargo run -p anyio-protocols --example quic_echo -- server 127.0.0.1:4433 certificate.der
//! cargo run -p anyio-protocols --example quic_echo -- client 127.0.0.1:4433 certificate.der hello
//! ```
//!
//! The server makes a certificate for `localhost`, and writes it where the client reads it.

use anyio::Result;
use anyio_protocols::quic;
use std::{fs, net::SocketAddr, path::Path};

#[anyio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["server", address, certificate] => serve(parse(address)?, Path::new(certificate)).await,
        ["client", address, certificate, text] => ask(parse(address)?, Path::new(certificate), text).await,
        _ => {
            eprintln!("usage: quic_echo server ADDRESS CERTIFICATE | client ADDRESS CERTIFICATE TEXT");
            Ok(())
        }
    }
}

fn parse(address: &str) -> Result<SocketAddr> {
    address.parse().map_err(|error| quic::invalid(format!("{address}: {error}")))
}

async fn serve(address: SocketAddr, certificate: &Path) -> Result<()> {
    let identity = quic::Identity::new()?;
    fs::write(certificate, &identity.certificate)?;
    let endpoint = quic::Endpoint::server(address, &identity).await?;
    println!("listening on {}", endpoint.local_addr()?);
    endpoint.run(async |endpoint| endpoint.echo().await).await
}

async fn ask(address: SocketAddr, certificate: &Path, text: &str) -> Result<()> {
    let endpoint = quic::Endpoint::client(&fs::read(certificate)?).await?;
    endpoint
        .run(async |endpoint| {
            let connection = endpoint.connect(address, "localhost").await?;
            let answer = connection.ask(text.as_bytes()).await?;
            println!("{}", String::from_utf8_lossy(&answer));
            connection.close();
            endpoint.settle().await
        })
        .await
}
