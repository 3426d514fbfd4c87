//! A server on each core, all on one address. Try `curl localhost:8080`; Ctrl-C ends it once requests are answered.

use anyio::{Builder, Core, Error, Interrupt, Result};
use anyio_http::Server;
use http::Response;
use http_body_util::Full;
use hyper::body::Bytes;
use std::{cell::Cell, env, num::NonZero, thread, time::Duration};

async fn serve(core: &Core, port: &str) -> Result<()> {
    let listener = core.listen(format!("127.0.0.1:{port}")).await?;
    println!("core {} listens on http://{}", core.index(), listener.local_addr()?);
    let requests = Cell::new(0);
    let handler = async |_request| -> Result<_> {
        requests.set(requests.get() + 1);
        let text = format!("request {} of core {}\n", requests.get(), core.index());
        Ok(Response::new(Full::new(Bytes::from(text))))
    };
    Server::new().serve(&listener, handler).await?;
    Ok(())
}

fn main() -> Result<()> {
    let port = env::args().nth(1).unwrap_or("8080".into());
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    // Ctrl-C and SIGTERM let requests be answered, for so long.
    let builder = Builder::new().interrupt(Interrupt::Finish(Duration::from_secs(10)));
    builder.run_on_cores(cores, async move |core: &Core| serve(core, &port).await).map_err(Error::from)?;
    Ok(())
}
