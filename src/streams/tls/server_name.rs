//! Names of servers.

use crate::{
    error::{Error, Quoted, Result},
    idna,
};
use rustls::pki_types::ServerName;
use std::io;

/// The name of a server, or its address.
///
/// # Errors
/// [`Error::Io`] of the kind `InvalidInput` if it is neither.
pub(super) fn server_name(name: &str) -> Result<ServerName<'static>> {
    // An address of IPv6 may stand in brackets, as in URLs.
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    // The dot at the end of a full name stands in no certificate.
    let name = name.strip_suffix('.').unwrap_or(name);
    ServerName::try_from(idna::to_ascii(name)?.into_owned()).map_err(|_| {
        let what = format!("{:?} is neither the name of a host nor an address", Quoted(name));
        Error::Io(io::Error::new(io::ErrorKind::InvalidInput, what))
    })
}

#[cfg(test)]
mod tests {
    use super::server_name;

    #[test]
    fn names_are_those_of_certificates() {
        let cases = [
            ("example.org", "example.org"),
            ("example.org.", "example.org"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("straße.example", "xn--strae-oqa.example"),
            ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]", "::1"),
        ];
        for (name, expected) in cases {
            assert_eq!(server_name(name).unwrap().to_str(), expected);
        }
        for name in ["", ".", "a b", "exa\0mple", "-\u{301}.example"] {
            let error = server_name(name).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{name:?}");
        }
    }
}
