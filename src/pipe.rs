//! Both ends of pipes.

mod receiving;
mod sending;

pub(crate) use sending::Sending;
