//! anyio on all cores, each with a listener of its own at the same address.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Mutex,
    thread::available_parallelism,
};

use anyio::{Builder, Core, Error, net::TcpListener};

use super::serve_all;
use crate::{measuring::ready::Ready, peers::cores::listener};

pub(super) fn echo(builder: &Builder, ready: Ready) -> anyhow::Result<()> {
    let cores = available_parallelism()?.get();
    let first = listener(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let address = first.local_addr()?;
    let mut listeners = vec![Some(first)];
    for _ in 1..cores {
        listeners.push(Some(listener(address)?));
    }
    ready.listening_on(address)?;
    let listeners = Mutex::new(listeners);
    let serve = async |core: &Core| -> anyio::Result<()> {
        let listener = listeners.lock().ok().and_then(|mut all| all[core.index()].take());
        let listener = listener.ok_or_else(|| Error::from(io::Error::other("this core has no listener")))?;
        let served = serve_all(&TcpListener::from_owned(listener.into())?, super::echo).await;
        served.map_err(|error| io::Error::other(error).into())
    };
    builder.run_on_cores(cores, serve)?;
    Ok(())
}
