//! A server on each core, all on one address. Try `curl localhost:8080`; Ctrl-C ends it once requests are answered.

use anyio::{Core, Error, Result, net::TcpListenerOptions, run_on_cores};
use anyio_http::Server;
use http::Response;
use http_body_util::Full;
use hyper::body::Bytes;
use std::{cell::Cell, env, num::NonZero, thread};

async fn serve(core: &Core, port: &str) -> Result<()> {
    let listener = TcpListenerOptions::new().reuse_port(true).bind(format!("127.0.0.1:{port}")).await?;
    println!("core {} listens on http://{}", core.index(), listener.local_addr()?);
    let requests = Cell::new(0);
    let handler = async |_request| -> Result<_> {
        requests.set(requests.get() + 1);
        let text = format!("request {} of core {}\n", requests.get(), core.index());
        Ok(Response::new(Full::new(Bytes::from(text))))
    };
    match Server::new().serve(&listener, handler).await? {}
}

fn main() -> Result<()> {
    let port = env::args().nth(1).unwrap_or("8080".into());
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    run_on_cores(cores, async move |core: &Core| serve(core, &port).await).map_err(Error::from)?;
    Ok(())
}
