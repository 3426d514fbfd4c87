//! TLS, on any stream of bytes.
//!
//! [`TlsStream`] is a stream around a stream, [`TlsListener`] accepts them, and [`TlsConnectable`] and
//! [`TcpStream::connect_tls`](crate::net::TcpStream::connect_tls) connect. The protocol is done by [rustls]: its
//! configurations say what is trusted and offered, and whatever it can do is open to who sets it there.
//!
//! ```
//! use anyio::{Result, net::{TcpListener, TcpStream}, streams::{Listener, tls::TlsListener}, task_group};
//! # use rustls::{ClientConfig, RootCertStore, ServerConfig, pki_types::PrivateKeyDer};
//! # use std::sync::Arc;
//! # let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
//! # let mut roots = RootCertStore::empty();
//! # roots.add(made.cert.der().clone()).unwrap();
//! # let provider = Arc::new(rustls::crypto::ring::default_provider());
//! # let client_config = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap()
//! #     .with_root_certificates(roots).with_no_client_auth();
//! # let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
//! # let server_config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap()
//! #     .with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
//!
//! # anyio::run(async || -> Result<()> {
//! let tcp = TcpListener::bind("127.0.0.1:0").await?;
//! let port = tcp.local_addr()?.port();
//! let listener = TlsListener::new(tcp, server_config);
//! task_group(async |tg| -> Result<()> {
//!     let serving = tg.start_soon(async {
//!         let hello = async |stream| -> Result<()> {
//!             let stream: anyio::streams::tls::TlsStream<TcpStream> = stream;
//!             stream.send("hello").await?;
//!             stream.close().await
//!         };
//!         listener.serve(hello).await?;
//!         Ok::<_, anyio::Error>(())
//!     });
//!     let stream = TcpStream::connect_tls("localhost", port, client_config).await?;
//!     assert_eq!(stream.receive().await?.unwrap(), "hello");
//!     assert!(stream.receive().await?.is_none());
//!     stream.close().await?;
//!     serving.cancel();
//!     Ok(())
//! })
//! .await?;
//! # Ok(()) }).unwrap();
//! ```
//!
//! Early data (0-RTT), which whoever has recorded a connection can send again, is neither sent nor received: a server's
//! configuration that allows it is an error.
//!
//! The feature `tls` brings this with the cryptography of ring. In its place `tls-aws-lc-rs` takes that of AWS-LC, and
//! `tls-core` none: then the program names a provider in its configurations, or installs one. The features
//! `tls-platform-verifier`, `tls-native-roots` and `tls-webpki-roots` say whom [`client_config`] trusts.

pub mod attribute;
mod client_config;
mod connectable;
mod halves;
mod handshake;
mod incoming;
mod key_use;
mod listener;
mod options;
mod outgoing;
mod provider;
mod record_boundary;
mod record_writer;
mod reloading_certificate;
mod server_name;
mod session;
mod spare_memory;
mod stream;

pub use crate::error::{TlsError, TlsSide};
pub use client_config::client_config;
pub use connectable::TlsConnectable;
pub use halves::{TlsReceiveHalf, TlsSendHalf};
pub use handshake::TlsHandshake;
pub use listener::TlsListener;
pub use options::TlsOptions;
pub use reloading_certificate::ReloadingCertificate;
#[doc(no_inline)]
pub use rustls;
pub use stream::TlsStream;
