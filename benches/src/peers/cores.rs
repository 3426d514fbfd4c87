//! One thread for each of several cores, with listeners of one address.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread,
};

use socket2::{Domain, Socket, Type};

use crate::measuring::{limits, ready::Ready};

const BACKLOG: i32 = 4096;

/// Calls `serve` on so many threads, each on a processor of its own if they are to be pinned.
pub(super) fn on_each_core(
    threads: usize,
    pinned: bool,
    ready: Ready,
    serve: impl Fn(TcpListener) -> anyhow::Result<()> + Send + Clone + 'static,
) -> anyhow::Result<()> {
    let first = listener(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..threads {
        listeners.push(listener(address)?);
    }
    ready.listening_on(address)?;
    let start = |(core, listener)| {
        let serve = serve.clone();
        thread::spawn(move || {
            if pinned {
                limits::pin_to_core(core)?;
            }
            serve(listener)
        })
    };
    let threads: Vec<_> = listeners.into_iter().enumerate().map(start).collect();
    for thread in threads {
        thread.join().map_err(|_| anyhow::anyhow!("a runtime's thread panicked"))??;
    }
    Ok(())
}

/// A listener that shares its address: the kernel deals connections out to all of them.
pub(super) fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
