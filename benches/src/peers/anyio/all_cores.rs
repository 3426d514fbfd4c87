//! anyio on all cores, which share one listener.

use std::{
    net::{Ipv4Addr, TcpListener},
    thread::available_parallelism,
};

use anyio::{Builder, Core, Error, cores::SharedListener, net::TcpStream};

use super::serve_all;
use crate::{measuring::ready::Ready, peers::effort};

pub(super) fn echo(builder: &Builder, ready: Ready) -> anyhow::Result<()> {
    serve(builder, ready, super::echo)
}

/// Does what work each message asks for before it comes back.
pub(super) fn echo_with_effort(builder: &Builder, ready: Ready) -> anyhow::Result<()> {
    serve(builder, ready, async |stream: TcpStream| -> anyio::Result<()> {
        while let Some(chunk) = stream.receive().await? {
            effort::take(&chunk);
            stream.send(chunk).await?;
        }
        Ok(())
    })
}

fn serve(
    builder: &Builder,
    ready: Ready,
    connection: impl AsyncFn(TcpStream) -> anyio::Result<()> + Sync,
) -> anyhow::Result<()> {
    let listener = SharedListener::from_owned(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.into())?;
    ready.listening_on(listener.local_addr()?)?;
    builder.run_on_cores(available_parallelism()?.get(), async |core: &Core| -> anyio::Result<()> {
        serve_all(&listener.on(core)?, &connection).await.map_err(Error::from)
    })?;
    Ok(())
}
