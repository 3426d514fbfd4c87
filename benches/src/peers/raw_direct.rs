//! The ring loop with multishot receives, whose sockets are direct descriptors: only the ring knows them.

use super::{
    Peer,
    raw_multishot::{Table, echo},
};

pub(crate) static PEER: Peer = Peer {
    name: "raw-direct",
    about: "as raw-multishot, with direct descriptors",
    packages: &["io-uring"],
    by_hand: true,
    servers: &[("echo", |ready| echo(ready, Table::Ring))],
    jobs: &[],
};
