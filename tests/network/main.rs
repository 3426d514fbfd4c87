//! Sockets and listeners, and readers that are slow.

mod fairness;
mod listeners;
mod names;
mod passing;
#[path = "../peers/mod.rs"]
mod peers;
mod serving;
mod slow_readers;
mod tcp;
mod tls;
#[cfg(feature = "tokio-io")]
mod tokio_io;
mod udp;
mod unix;
mod unix_datagram;
