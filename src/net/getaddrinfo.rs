//! Looking names up with all that the operating system lets one ask.

use super::{
    literal::{address_of, names_interface},
    name_service::{Hints, addresses_of},
    resolver,
};
use crate::{
    error::{Error, Result},
    idna,
    runtime::nothing_to_do,
    to_thread,
};
use bitflags::bitflags;
use std::{
    future::{Future, IntoFuture},
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
};

/// A kind of internet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl AddressFamily {
    fn raw(self) -> i32 {
        match self {
            Self::V4 => libc::AF_INET,
            Self::V6 => libc::AF_INET6,
        }
    }

    fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// A kind of socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocketType {
    /// A stream of bytes: TCP.
    Stream,
    /// Datagrams: UDP.
    Datagram,
    /// Packets as they are.
    Raw,
}

impl SocketType {
    fn raw(self) -> i32 {
        match self {
            Self::Stream => libc::SOCK_STREAM,
            Self::Datagram => libc::SOCK_DGRAM,
            Self::Raw => libc::SOCK_RAW,
        }
    }

    fn of_raw(raw: i32) -> Option<Self> {
        [Self::Stream, Self::Datagram, Self::Raw].into_iter().find(|kind| kind.raw() == raw)
    }

    /// The protocol that such sockets of the internet have.
    fn protocol(self) -> i32 {
        match self {
            Self::Stream => libc::IPPROTO_TCP,
            Self::Datagram => libc::IPPROTO_UDP,
            Self::Raw => 0,
        }
    }
}

bitflags! {
    /// What else is asked of a look-up. See `getaddrinfo(3)`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct AddressInfoFlags: i32 {
        /// The addresses are to be listened on: without a host they are those of all interfaces.
        const PASSIVE = libc::AI_PASSIVE;
        /// The official name of the host is wanted, in the first result.
        const CANONICAL_NAME = libc::AI_CANONNAME;
        /// The host is an address. A name is an error, and not looked up.
        const NUMERIC_HOST = libc::AI_NUMERICHOST;
        /// The service is a number.
        const NUMERIC_SERVICE = libc::AI_NUMERICSERV;
        /// Only families that this host has addresses of.
        const ADDRESS_CONFIGURED = libc::AI_ADDRCONFIG;
        /// With family IPv6: IPv4 addresses in IPv6 form if there are no others.
        const V4_MAPPED = libc::AI_V4MAPPED;
        /// With [`V4_MAPPED`](Self::V4_MAPPED): these too if there are others.
        const ALL = libc::AI_ALL;
    }
}

/// One answer of [`getaddrinfo`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct AddressInfo {
    /// The address, with the service's port.
    pub address: SocketAddr,
    /// For which kind of sockets.
    pub socket_type: SocketType,
    /// The number of the protocol: `IPPROTO_TCP` and the like.
    pub protocol: i32,
    /// The official name of the host, in the first answer if it was asked for.
    pub canonical_name: Option<String>,
}

/// A question to [`getaddrinfo`]. It is asked when this is awaited.
#[derive(Debug, Clone)]
#[must_use = "it is asked when it is awaited"]
pub struct GetAddressInfo {
    host: Option<String>,
    service: Option<String>,
    family: Option<AddressFamily>,
    socket_type: Option<SocketType>,
    protocol: i32,
    flags: AddressInfoFlags,
}

/// Looks up a host, a service (a number, or a name such as `http`), or both.
///
/// Addresses with numbers of ports are answered at once; everything else on a worker thread, by the operating system, or, if
/// the run has a [`Resolver`](super::Resolver) of its own and the service is a number, by that. Names that are not ASCII are encoded by IDNA
/// 2008. The answers are in the order of RFC 6724, or in that in which the run's own resolver gives them.
///
/// ```
/// use anyio::net::{SocketType, getaddrinfo};
///
/// # anyio::run(async || -> anyio::Result<()> {
/// let found = getaddrinfo("::1", "80").socket_type(SocketType::Stream).await?;
/// assert_eq!(found[0].address, "[::1]:80".parse().unwrap());
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// What the system or the run's resolver says, with the names; [`Error::Io`] of the kind `InvalidInput` for a number that is no port,
/// and `NotFound` if there is nothing of that kind; [`Error::Cancelled`] if the scope is cancelled.
///
/// # Cancel safety
/// The look-up is given up.
pub fn getaddrinfo<'a>(
    host: impl Into<Option<&'a str>>,
    service: impl Into<Option<&'a str>>,
) -> GetAddressInfo {
    GetAddressInfo {
        host: host.into().map(str::to_owned),
        service: service.into().map(str::to_owned),
        family: None,
        socket_type: None,
        protocol: 0,
        flags: AddressInfoFlags::empty(),
    }
}

impl GetAddressInfo {
    /// Only addresses of this family.
    pub fn family(mut self, family: AddressFamily) -> Self {
        self.family = Some(family);
        self
    }

    /// Only for sockets of this type.
    pub fn socket_type(mut self, socket_type: SocketType) -> Self {
        self.socket_type = Some(socket_type);
        self
    }

    /// Only for this protocol, `IPPROTO_TCP` or another.
    pub fn protocol(mut self, protocol: i32) -> Self {
        self.protocol = protocol;
        self
    }

    /// What else is asked.
    pub fn flags(mut self, flags: AddressInfoFlags) -> Self {
        self.flags = flags;
        self
    }

    async fn ask(self) -> Result<Vec<AddressInfo>> {
        let port = self.port()?;
        let host = self.host.as_deref();
        if let Some(address) = port.zip(host).and_then(|(port, host)| address_of(host, port)) {
            if self.family.is_none_or(|family| family == AddressFamily::of(address.ip())) {
                nothing_to_do().await?;
                return self.answers([address]);
            }
        }
        let ascii = host.map(idna::to_ascii).transpose()?.map(std::borrow::Cow::into_owned);
        let is_name =
            !self.flags.contains(AddressInfoFlags::NUMERIC_HOST) && !host.is_some_and(names_interface);
        if let (Some(port), Some((host, name)), Some(resolver), true) =
            (port, host.zip(ascii.as_deref()), resolver::chosen(), is_name)
        {
            return self.answers(resolver::ask(&*resolver, name, port, host).await?);
        }
        let subject =
            format!("{} {}", host.unwrap_or("any host"), self.service.as_deref().unwrap_or_default());
        let found =
            to_thread::for_names(move || self.ask_system(ascii.as_deref())).abandon_on_cancel().await?;
        found.map_err(|error| Error::of_operation(error, "look up", subject.trim_end()))
    }

    /// The number of the service, 0 if none is asked for. `None` if it has a name.
    ///
    /// # Errors
    /// If it is a number that no port has: some systems would take the rest of it, divided by 65,536.
    fn port(&self) -> Result<Option<u16>> {
        let Some(service) = &self.service else { return Ok(Some(0)) };
        let is_number = !service.is_empty() && service.bytes().all(|byte| byte.is_ascii_digit());
        match service.parse() {
            Ok(port) => Ok(Some(port)),
            Err(_) if is_number => {
                let error = io::Error::new(io::ErrorKind::InvalidInput, "ports go up to 65535");
                Err(Error::of_operation(error, "look up", service))
            }
            Err(_) => Ok(None),
        }
    }

    /// What these addresses are as answers to the question.
    fn answers(&self, addresses: impl IntoIterator<Item = SocketAddr>) -> Result<Vec<AddressInfo>> {
        let types = [SocketType::Stream, SocketType::Datagram, SocketType::Raw];
        let wanted = |socket_type: &SocketType| {
            self.socket_type.is_none_or(|wanted| wanted == *socket_type)
                && (self.protocol == 0 || [self.protocol, 0].contains(&socket_type.protocol()))
        };
        let mut canonical_name =
            self.host.clone().filter(|_| self.flags.contains(AddressInfoFlags::CANONICAL_NAME));
        let answers: Vec<AddressInfo> = addresses
            .into_iter()
            .filter(|address| self.family.is_none_or(|family| family == AddressFamily::of(address.ip())))
            .flat_map(|address| {
                types.into_iter().filter(wanted).map(move |socket_type| (address, socket_type))
            })
            .map(|(address, socket_type)| AddressInfo {
                address,
                socket_type,
                protocol: if self.protocol == 0 { socket_type.protocol() } else { self.protocol },
                canonical_name: canonical_name.take(),
            })
            .collect();
        if answers.is_empty() {
            let error = io::Error::new(io::ErrorKind::NotFound, "there is no address of that kind");
            let host = self.host.as_deref().unwrap_or("any host");
            return Err(Error::of_operation(error, "look up", host));
        }
        Ok(answers)
    }

    /// Asks the operating system, which may take long.
    fn ask_system(&self, host: Option<&str>) -> io::Result<Vec<AddressInfo>> {
        let hints = Hints {
            flags: self.flags.bits(),
            family: self.family.map_or(libc::AF_UNSPEC, AddressFamily::raw),
            socket_type: self.socket_type.map_or(0, SocketType::raw),
            protocol: self.protocol,
        };
        let rows = addresses_of(host, self.service.as_deref(), &hints)?;
        let answers = rows.into_iter().filter_map(|row| {
            Some(AddressInfo {
                address: row.address,
                socket_type: SocketType::of_raw(row.socket_type)?,
                protocol: row.protocol,
                canonical_name: row.canonical_name,
            })
        });
        Ok(answers.collect())
    }
}

impl IntoFuture for GetAddressInfo {
    type Output = Result<Vec<AddressInfo>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.ask())
    }
}
