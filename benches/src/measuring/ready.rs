//! Telling that a server listens.

use std::{
    io::{self, Write},
    net::SocketAddr,
};

/// Given to a peer's server, to be used once it listens.
#[derive(Default)]
pub(crate) struct Ready(());

impl Ready {
    /// Tells the address to the process that measures.
    pub(crate) fn listening_on(self, address: SocketAddr) -> io::Result<()> {
        let mut output = io::stdout().lock();
        writeln!(output, "{address}")?;
        output.flush()
    }
}
