//! An echo server and client over QUIC: quinn-proto's state machine on anyio's UDP sockets. The server has a thread for each
//! processor, all on one port; a connection stays on the thread that accepted it, wherever its datagrams arrive.
//!
//! ```text
//! cargo run -p anyio-protocols --example quic_echo -- server 127.0.0.1:4433 certificate.der
//! cargo run -p anyio-protocols --example quic_echo -- client 127.0.0.1:4433 certificate.der hello
//! ```
//!
//! The server makes a certificate for `localhost`, and writes it where the client reads it.

use anyio::{Core, Result, run_on_cores};
use anyio_protocols::quic;
use std::{error, fs, net::SocketAddr, path::Path, thread};

fn main() -> std::result::Result<(), Box<dyn error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["server", address, certificate] => serve(parse(address)?, Path::new(certificate)),
        ["client", address, certificate, text] => {
            let (address, certificate) = (parse(address)?, Path::new(certificate));
            Ok(anyio::run(async || ask(address, certificate, text).await)?)
        }
        _ => Err("usage: quic_echo server ADDRESS CERTIFICATE | client ADDRESS CERTIFICATE TEXT".into()),
    }
}

fn parse(address: &str) -> Result<SocketAddr> {
    address.parse().map_err(|error| quic::invalid(format!("{address}: {error}")))
}

fn serve(address: SocketAddr, certificate: &Path) -> std::result::Result<(), Box<dyn error::Error>> {
    let identity = quic::Identity::new()?;
    fs::write(certificate, &identity.certificate)?;
    let count = thread::available_parallelism().map_or(1, |count| count.get());
    let cores = quic::Cores::new(address, &identity, count)?;
    run_on_cores(count, async |core: &Core| -> Result<()> {
        let endpoint = cores.endpoint(core).await?;
        if core.index() == 0 {
            println!("{count} threads listen on {}", endpoint.local_addr()?);
        }
        endpoint.run(async |endpoint| endpoint.echo().await).await
    })?;
    Ok(())
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
