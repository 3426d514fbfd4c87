//! The operating system's `getaddrinfo` and `getnameinfo`.
//!
//! # Contract
//! Texts are handed over with a terminating zero byte and live during the call. The list that `getaddrinfo` gives is read
//! before it is freed, once, by the guard that owns it; addresses in it are copied, as many bytes as the list says. The
//! buffers of `getnameinfo` are as long as it is told.

use socket2::SockAddr;
use std::{
    ffi::{CStr, CString},
    io,
    net::SocketAddr,
    ptr,
};

/// What is asked. 0 is anything.
#[derive(Default)]
pub(super) struct Hints {
    pub(super) flags: i32,
    pub(super) family: i32,
    pub(super) socket_type: i32,
    pub(super) protocol: i32,
}

/// One row of the answer.
pub(super) struct Row {
    pub(super) address: SocketAddr,
    pub(super) socket_type: i32,
    pub(super) protocol: i32,
    pub(super) canonical_name: Option<String>,
}

/// The list as the system has it.
struct List(*mut libc::addrinfo);

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: the list came from `getaddrinfo`, and is freed here only.
        unsafe { libc::freeaddrinfo(self.0) };
    }
}

fn text(text: Option<&str>) -> io::Result<Option<CString>> {
    text.map(CString::new).transpose().map_err(io::Error::from)
}

fn pointer(text: Option<&CStr>) -> *const libc::c_char {
    text.map_or(ptr::null(), CStr::as_ptr)
}

/// The error that these functions mean by a number which is not 0.
fn error_of(number: i32) -> io::Error {
    if number == libc::EAI_SYSTEM {
        return io::Error::last_os_error();
    }
    // SAFETY: it gives a text that is never freed, for any number.
    let text = unsafe { CStr::from_ptr(libc::gai_strerror(number)) };
    let kind = match number {
        libc::EAI_NONAME => io::ErrorKind::NotFound,
        // Whoever would know has not answered.
        libc::EAI_AGAIN => io::ErrorKind::TimedOut,
        libc::EAI_MEMORY => io::ErrorKind::OutOfMemory,
        libc::EAI_FAMILY | libc::EAI_SOCKTYPE | libc::EAI_SERVICE | libc::EAI_BADFLAGS => {
            io::ErrorKind::InvalidInput
        }
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, text.to_string_lossy().into_owned())
}

/// Looks up a host and a service. It may take long. Rows that are no internet addresses are left out: systems without IPv6
/// have some that only look like ones.
pub(super) fn addresses_of(host: Option<&str>, service: Option<&str>, hints: &Hints) -> io::Result<Vec<Row>> {
    let (host, service) = (text(host)?, text(service)?);
    // SAFETY: all zero is a valid value of this plain structure of numbers and pointers.
    let mut asked: libc::addrinfo = unsafe { std::mem::zeroed() };
    asked.ai_flags = hints.flags;
    asked.ai_family = hints.family;
    asked.ai_socktype = hints.socket_type;
    asked.ai_protocol = hints.protocol;
    let mut list = ptr::null_mut();
    // SAFETY: the texts end with a zero byte, or are null; the rest are places of this frame.
    let answer = unsafe {
        libc::getaddrinfo(
            pointer(host.as_deref()),
            pointer(service.as_deref()),
            &raw const asked,
            &raw mut list,
        )
    };
    if answer != 0 {
        return Err(error_of(answer));
    }
    let list = List(list);
    let mut rows = Vec::new();
    let mut next = list.0;
    // SAFETY: the pointers of the list lead to its rows until it is freed.
    while let Some(row) = unsafe { next.as_ref() } {
        next = row.ai_next;
        let length = row.ai_addrlen as usize;
        if row.ai_addr.is_null() || length > size_of::<libc::sockaddr_storage>() {
            continue;
        }
        // SAFETY: the row has so many bytes of address, and the storage has room for them.
        let address = unsafe {
            SockAddr::try_init(|storage, capacity| {
                ptr::copy_nonoverlapping(row.ai_addr.cast::<u8>(), storage.cast::<u8>(), length);
                *capacity = row.ai_addrlen;
                Ok(())
            })
        };
        let Some(address) = address.ok().and_then(|((), address)| address.as_socket()) else { continue };
        let canonical_name = (!row.ai_canonname.is_null()).then(|| {
            // SAFETY: a name that is there ends with a zero byte.
            unsafe { CStr::from_ptr(row.ai_canonname) }.to_string_lossy().into_owned()
        });
        rows.push(Row { address, socket_type: row.ai_socktype, protocol: row.ai_protocol, canonical_name });
    }
    Ok(rows)
}

/// The longest name of a host, and of a service, with the zero byte (`NI_MAXHOST`, `NI_MAXSERV`).
const LONGEST: (usize, usize) = (1025, 32);

/// The names of a host and a service. It may take long.
pub(super) fn names_of(address: SocketAddr, flags: i32) -> io::Result<(String, String)> {
    let address = SockAddr::from(address);
    let (mut host, mut service) = ([0_u8; LONGEST.0], [0_u8; LONGEST.1]);
    // SAFETY: the address is as long as it says, and so are the buffers.
    let answer = unsafe {
        libc::getnameinfo(
            address.as_ptr().cast(),
            address.len(),
            host.as_mut_ptr().cast(),
            host.len() as _,
            service.as_mut_ptr().cast(),
            service.len() as _,
            flags,
        )
    };
    if answer != 0 {
        return Err(error_of(answer));
    }
    let text = |bytes: &[u8]| {
        CStr::from_bytes_until_nul(bytes).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
    };
    Ok((text(&host), text(&service)))
}
