//! Peers on which a test can call what it likes, and such that encrypt whatever it wants.

use super::{
    authority::{self, LOCALHOST},
    connection,
};
use anyio::{
    Error, Result,
    net::TcpStream,
    streams::tls::{TlsError, TlsStream},
};
use futures_util::join;
use rustls::{
    ClientConfig, ClientConnection, Connection, ConnectionTrafficSecrets, ContentType, ProtocolVersion,
    ServerConnection, SupportedCipherSuite,
    crypto::cipher::{MessageEncrypter, OutboundPlainMessage},
};
use std::{io::Write, sync::Arc};

/// A peer that did its handshake by rustls.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    pub(crate) connection: Connection,
}

impl Peer {
    pub(crate) async fn connect(stream: TcpStream, mut config: ClientConfig) -> Result<Self> {
        config.enable_secret_extraction = true;
        let name = "localhost".try_into().unwrap();
        Self::shake_hands(stream, ClientConnection::new(Arc::new(config), name).unwrap().into()).await
    }

    async fn accept(stream: TcpStream) -> Result<Self> {
        let mut config = LOCALHOST.server_config();
        config.enable_secret_extraction = true;
        Self::shake_hands(stream, ServerConnection::new(Arc::new(config)).unwrap().into()).await
    }

    async fn shake_hands(stream: TcpStream, connection: Connection) -> Result<Self> {
        let mut peer = Self { stream, connection };
        peer.flush().await?;
        while peer.connection.is_handshaking() {
            let chunk = peer.stream.receive().await?.expect("the other side goes on");
            let mut bytes = &chunk[..];
            while !bytes.is_empty() {
                peer.connection.read_tls(&mut bytes).unwrap();
            }
            peer.connection.process_new_packets().unwrap();
            peer.flush().await?;
        }
        Ok(peer)
    }

    pub(crate) async fn flush(&mut self) -> Result<()> {
        let mut bytes = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut bytes).unwrap();
        }
        self.stream.send(bytes).await
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.connection.writer().write_all(bytes).unwrap();
        self.flush().await
    }
}

/// A peer that encrypts whatever a test wants it to.
pub(crate) struct Forger {
    pub(crate) stream: TcpStream,
    encrypter: Box<dyn MessageEncrypter>,
    pub(crate) sequence: u64,
    version: ProtocolVersion,
}

impl Forger {
    pub(crate) async fn connect(stream: TcpStream) -> Result<Self> {
        Ok(Self::new(Peer::connect(stream, authority::client_config()).await?))
    }

    pub(crate) async fn accept(stream: TcpStream) -> Result<Self> {
        Ok(Self::new(Peer::accept(stream).await?))
    }

    /// Goes on in the place of a peer.
    pub(crate) fn new(peer: Peer) -> Self {
        let Peer { stream, connection } = peer;
        let suite = connection.negotiated_cipher_suite().unwrap();
        let (sequence, secrets) = connection.dangerous_extract_secrets().unwrap().tx;
        let (ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }) = secrets
        else {
            panic!("a suite that is not known here");
        };
        let (encrypter, version) = match suite {
            SupportedCipherSuite::Tls13(suite) => {
                (suite.aead_alg.encrypter(key, iv), ProtocolVersion::TLSv1_3)
            }
            SupportedCipherSuite::Tls12(suite) => {
                let (salt, explicit) = iv.as_ref().split_at(4);
                (suite.aead_alg.encrypter(key, salt, explicit), ProtocolVersion::TLSv1_2)
            }
        };
        Self { stream, encrypter, sequence, version }
    }

    pub(crate) fn record(&mut self, typ: ContentType, payload: &[u8]) -> Vec<u8> {
        let message = OutboundPlainMessage { typ, version: self.version, payload: payload.into() };
        self.sequence += 1;
        self.encrypter.encrypt(message, self.sequence - 1).unwrap().encode()
    }

    pub(crate) async fn send(&mut self, typ: ContentType, payload: &[u8]) -> Result<()> {
        let record = self.record(typ, payload);
        self.stream.send(record).await
    }
}

pub(crate) async fn forger_and_server() -> Result<(Forger, TlsStream<TcpStream>)> {
    let (client, server) = connection().await?;
    let options = authority::options().1;
    let (forger, server) = join!(Forger::connect(client), TlsStream::wrap(server, &options));
    Ok((forger?, server?))
}

pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T>, what: &str) -> TlsError {
    match result {
        Err(Error::Tls(error)) => *error,
        other => panic!("{what} gives {other:?}"),
    }
}
