//! How many connections there are of each address.

use std::{cell::RefCell, collections::HashMap, net::IpAddr};

pub(crate) struct Addresses {
    /// 0 is no limit.
    limit: usize,
    connections: RefCell<HashMap<IpAddr, usize>>,
}

/// The place of one connection.
pub(crate) struct Place<'a> {
    addresses: &'a Addresses,
    address: IpAddr,
}

impl Addresses {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, connections: RefCell::default() }
    }

    /// Takes a place for a connection, if the address may have another.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Place<'_>> {
        if self.limit > 0 {
            let mut connections = self.connections.borrow_mut();
            let count = connections.entry(address).or_default();
            if *count >= self.limit {
                return None;
            }
            *count += 1;
        }
        Some(Place { addresses: self, address })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.addresses.limit > 0 {
            let mut connections = self.addresses.connections.borrow_mut();
            if let Some(count) = connections.get_mut(&self.address) {
                *count -= 1;
                if *count == 0 {
                    connections.remove(&self.address);
                }
            }
        }
    }
}
