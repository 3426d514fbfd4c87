//! What a TLS stream knows, beside what the stream below does.
//!
//! ```
//! use anyio::{net::TcpStream, streams::{Attributes, tls::{TlsStream, attribute::AlpnProtocol}}};
//!
//! fn speaks_http2(stream: &TlsStream<TcpStream>) -> bool {
//!     stream.extra::<AlpnProtocol>().is_some_and(|protocol| protocol == b"h2")
//! }
//! # let _ = speaks_http2;
//! ```

use crate::streams::{Attribute, AttributeRequest};
use rustls::{
    CipherSuite, Connection, HandshakeKind, NamedGroup, ProtocolVersion, pki_types::CertificateDer,
};

macro_rules! attributes {
    ($($(#[$doc:meta])* $name:ident: $value:ty,)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}

        impl Attribute for $name {
            type Value = $value;
        }
    )*};
}

attributes! {
    /// The application's protocol that both sides agreed on (ALPN), such as `h2`. Unknown if they did not.
    AlpnProtocol: Vec<u8>,
    /// The version of TLS.
    Version: ProtocolVersion,
    /// The cipher suite.
    Cipher: CipherSuite,
    /// The group in which keys were exchanged. Unknown if a session was resumed without an exchange.
    KeyExchange: NamedGroup,
    /// The certificates that the peer has shown, its own first, in DER. Unknown if it has shown none.
    PeerCertificates: Vec<CertificateDer<'static>>,
    /// Whether this is the server's side.
    ServerSide: bool,
    /// The name that the client asked for (SNI). Only servers know it.
    ServerName: String,
    /// Whether the session was resumed or made anew.
    Handshake: HandshakeKind,
    /// What binds an authentication within the connection to it: the `tls-exporter` of RFC 9266, 32 bytes. Unknown before
    /// TLS 1.3.
    ChannelBinding: [u8; 32],
    /// Whether a missing word of the peer at the end is an error.
    StandardCompatible: bool,
}

pub(super) fn provide(connection: &Connection, request: &mut AttributeRequest<'_>) {
    request.provide_if_known::<AlpnProtocol>(|| connection.alpn_protocol().map(Into::into));
    request.provide_if_known::<Version>(|| connection.protocol_version());
    request.provide_if_known::<Cipher>(|| connection.negotiated_cipher_suite().map(|suite| suite.suite()));
    request.provide_if_known::<KeyExchange>(|| {
        connection.negotiated_key_exchange_group().map(|group| group.name())
    });
    request.provide_if_known::<PeerCertificates>(|| {
        connection.peer_certificates().map(<[CertificateDer<'static>]>::to_vec)
    });
    request.provide::<ServerSide>(|| matches!(connection, Connection::Server(_)));
    request.provide_if_known::<ServerName>(|| match connection {
        Connection::Server(server) => server.server_name().map(Into::into),
        Connection::Client(_) => None,
    });
    request.provide_if_known::<Handshake>(|| connection.handshake_kind());
    request.provide_if_known::<ChannelBinding>(|| {
        if connection.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
            return None;
        }
        connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).ok()
    });
}
