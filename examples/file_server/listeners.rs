//! The listening socket, made before the cores begin: so an address that is taken is one error. The cores share it.

use crate::options::Options;
use anyio::{Result, cores::SharedListener, net::TcpListener};
use std::os::fd::AsFd;

/// Binds the socket.
pub(crate) async fn bind(options: &Options) -> Result<SharedListener> {
    let listener = TcpListener::bind((&*options.host, options.port)).await?;
    SharedListener::from_owned(listener.as_fd().try_clone_to_owned()?)
}
