//! How a TCP connection is to be made.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// How a TCP connection is to be made.
///
/// ```
/// use anyio::net::{TcpConnectOptions, TcpListener};
/// use std::net::Ipv4Addr;
///
/// # anyio::run(async || -> anyio::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let from_here = TcpConnectOptions::new().local_address(Ipv4Addr::new(127, 0, 0, 9));
/// let client = from_here.connect(listener.local_addr()?).await?;
/// assert_eq!(client.local_addr()?.ip(), Ipv4Addr::new(127, 0, 0, 9));
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TcpConnectOptions {
    local_address: Option<IpAddr>,
    local_port: u16,
    happy_eyeballs_delay: Duration,
}

impl TcpConnectOptions {
    /// From any address and port of this host, and with a quarter of a second for each attempt before the next begins
    /// (RFC 8305, section 8).
    pub fn new() -> Self {
        Self { local_address: None, local_port: 0, happy_eyeballs_delay: Duration::from_millis(250) }
    }

    /// From this address. Only addresses of the same family are connected to then.
    #[must_use]
    pub fn local_address(mut self, address: impl Into<IpAddr>) -> Self {
        self.local_address = Some(address.into());
        self
    }

    /// From this port; 0 lets the system choose.
    #[must_use]
    pub fn local_port(mut self, port: u16) -> Self {
        self.local_port = port;
        self
    }

    /// How long an attempt has the field for itself if there are several addresses. The next begins when it is over, or when
    /// the one before has failed.
    #[must_use]
    pub fn happy_eyeballs_delay(mut self, delay: Duration) -> Self {
        self.happy_eyeballs_delay = delay;
        self
    }

    /// Those of the addresses that can be connected to.
    pub(super) fn suitable(&self, addresses: Vec<SocketAddr>) -> io::Result<Vec<SocketAddr>> {
        let there_are_some = !addresses.is_empty();
        let suits = |address: &SocketAddr| {
            self.local_address.is_none_or(|local| local.is_ipv4() == address.is_ipv4())
        };
        let suitable: Vec<SocketAddr> = addresses.into_iter().filter(suits).collect();
        let missing = if there_are_some {
            "there is no address of the local one's family"
        } else {
            "there is no address to connect to"
        };
        if suitable.is_empty() {
            Err(io::Error::new(io::ErrorKind::InvalidInput, missing))
        } else {
            Ok(suitable)
        }
    }

    /// The address to connect to this one from, if one is wanted.
    pub(super) fn local_for(&self, address: SocketAddr) -> Option<SocketAddr> {
        match self.local_address {
            Some(local) => Some(SocketAddr::new(local, self.local_port)),
            None if self.local_port == 0 => None,
            None => {
                let any = if address.is_ipv4() { [0; 4].into() } else { IpAddr::from([0_u16; 8]) };
                Some(SocketAddr::new(any, self.local_port))
            }
        }
    }

    pub(super) fn delay(&self) -> Duration {
        self.happy_eyeballs_delay
    }
}

impl Default for TcpConnectOptions {
    fn default() -> Self {
        Self::new()
    }
}
