//! What is known of the connection of a request.

use anyio::{net::attribute, streams::Attributes};
use std::{fmt, net::SocketAddr, sync::Arc};

/// What is known of the connection of a request: [`RequestBody::connection`](crate::RequestBody::connection).
#[derive(Clone)]
pub struct ConnectionInfo(Arc<Facts>);

#[derive(Debug, Default)]
struct Facts {
    peer_address: Option<SocketAddr>,
    local_address: Option<SocketAddr>,
    max_body_bytes: Option<u64>,
    #[cfg(feature = "tls")]
    tls: super::tls::TlsFacts,
}

impl ConnectionInfo {
    pub(super) fn new(stream: &impl Attributes, max_body_bytes: Option<u64>) -> Self {
        Self(Arc::new(Facts {
            peer_address: stream.extra::<attribute::RemoteAddress>(),
            local_address: stream.extra::<attribute::LocalAddress>(),
            max_body_bytes,
            #[cfg(feature = "tls")]
            tls: super::tls::TlsFacts::of(stream),
        }))
    }

    /// The address of the client, if it came by TCP. Behind a proxy it is the proxy's.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.0.peer_address
    }

    /// The address that the client has connected to, if it came by TCP.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.0.local_address
    }

    /// How many bytes the body of a request may have: all bodies need to know it, so it is found here.
    #[inline]
    pub(super) fn max_body_bytes(&self) -> Option<u64> {
        self.0.max_body_bytes
    }

    #[cfg(feature = "tls")]
    pub(super) fn tls(&self) -> &super::tls::TlsFacts {
        &self.0.tls
    }
}

impl fmt::Debug for ConnectionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionInfo")
            .field("peer_address", &self.0.peer_address)
            .field("local_address", &self.0.local_address)
            .finish_non_exhaustive()
    }
}
