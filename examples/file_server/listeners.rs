//! The listening sockets, one for each core, made before the cores begin: so all of them get the same port, also when the
//! system chooses it, and an address that is taken is one error.

use crate::options::Options;
use anyio::{
    Error, Result,
    net::{TcpListener, TcpListenerOptions},
};
use std::{
    os::fd::{AsFd, OwnedFd},
    sync::{Mutex, PoisonError},
};

/// Sockets that no run owns yet.
pub(crate) struct Listeners(Vec<Mutex<Option<OwnedFd>>>);

/// Binds a socket for each core.
pub(crate) async fn bind(options: &Options) -> Result<Listeners> {
    let cores = options.cores.get();
    let listen = TcpListenerOptions::new().reuse_port(cores > 1);
    let first = listen.bind((&*options.host, options.port)).await?;
    let address = first.local_addr()?;
    let mut sockets = vec![unowned(&first)?];
    for _ in 1..cores {
        sockets.push(unowned(&listen.bind(address).await?)?);
    }
    Ok(Listeners(sockets))
}

fn unowned(listener: &TcpListener) -> Result<Mutex<Option<OwnedFd>>> {
    Ok(Mutex::new(Some(listener.as_fd().try_clone_to_owned()?)))
}

impl Listeners {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Hands a core its socket, once.
    pub(crate) fn take(&self, core: usize) -> Result<TcpListener> {
        let socket = self.0[core].lock().unwrap_or_else(PoisonError::into_inner).take();
        TcpListener::from_owned(socket.ok_or(Error::ClosedResource)?)
    }
}
