//! Sockets and listeners, and readers that are slow.

#![allow(clippy::incompatible_msrv, reason = "tests are built with a current compiler")]

mod at_once;
mod connecting;
mod fairness;
mod inherited;
mod listeners;
mod names;
mod passing;
#[path = "../peers/mod.rs"]
mod peers;
mod send_file;
mod serving;
mod shared_listening;
mod slow_readers;
mod tcp;
mod tls;
#[cfg(feature = "tokio-io")]
mod tokio_io;
mod udp;
mod unix;
mod unix_datagram;
