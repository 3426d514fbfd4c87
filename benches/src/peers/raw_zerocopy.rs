//! A ring loop by hand that sends from its own memory, without a copy into the kernel's.

use super::{
    Peer,
    raw_oneshot::stream::{bulk, without_copy},
};

pub(crate) static PEER: Peer = Peer {
    name: "raw-zerocopy",
    about: "io_uring by hand, SEND_ZC",
    packages: &["io-uring"],
    by_hand: true,
    servers: &[("stream", |ready| bulk(ready, without_copy))],
    jobs: &[],
};
