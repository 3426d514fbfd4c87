//! Several runtimes of tokio, one on each of the servers' processors, with listeners of one address.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread,
};

use socket2::{Domain, Socket, Type};

use super::{echo_all, runtime};
use crate::{peers::Peer, server::Ready};

pub(crate) static PEER: Peer = Peer {
    name: "tokio-pinned",
    about: "two current_thread runtimes of tokio with SO_REUSEPORT, sharing the servers' processor",
    packages: &["tokio", "mio"],
    by_hand: false,
    servers: &[("echo", echo)],
    jobs: &[],
};

const RUNTIMES: usize = 2;
const BACKLOG: i32 = 1024;

fn echo(ready: Ready) -> anyhow::Result<()> {
    let first = listener(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..RUNTIMES {
        listeners.push(listener(address)?);
    }
    ready.listening_on(address)?;
    let serve = |listener| thread::spawn(move || serve(listener));
    let threads: Vec<_> = listeners.into_iter().map(serve).collect();
    for thread in threads {
        thread.join().map_err(|_| anyhow::anyhow!("a runtime's thread panicked"))??;
    }
    Ok(())
}

fn listener(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn serve(listener: TcpListener) -> anyhow::Result<()> {
    runtime()?.block_on(async { echo_all(tokio::net::TcpListener::from_std(listener)?).await })
}
