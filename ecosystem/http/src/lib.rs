//! HTTP/1.1 and HTTP/2 on [anyio], by [hyper].
//!
//! [`Server`] serves on whatever accepts streams, with each request as a child task. What it is made of can be used with
//! hyper directly: [`HyperIo`] is what hyper reads from and writes to, [`HyperTimer`] its clock, and [`GroupExecutor`] and
//! [`LocalExecutor`] start its tasks.
//!
//! `Client` asks, on a pool of connections that are children of a group.
//!
//! # Features
//! - `client`: `Client`. With it, `json` is for bodies and queries of serde's types, `compression` for answers by gzip,
//!   deflate and Brotli, and `zstd` for those by Zstandard.
//! - `tls`: streams of `anyio::streams::tls` choose the version of HTTP by ALPN.
//! - `tower`: `tower` makes a handler of a service; layers whose time is anyio's.
//! - `axum`: `axum::local` makes handlers of axum's of functions that await anyio; server-sent events, the addresses of
//!   clients, and with `websocket` an extractor for WebSockets.
//! - `websocket`: WebSockets of servers and clients.
//! - `files`: `files::ServeDir` serves a folder.

#![warn(missing_debug_implementations)]
// docs.rs shows which features an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "axum")]
pub mod axum;
mod cancellation;
#[cfg(feature = "client")]
mod client;
mod executor;
#[cfg(feature = "files")]
pub mod files;
mod io;
mod server;
mod timer;
#[cfg(feature = "tower")]
pub mod tower;
mod upgraded;
#[cfg(feature = "websocket")]
pub mod websocket;

#[cfg(feature = "client")]
pub use client::{
    Client, ClientBody, ClientError, ClientErrorKind, ClientOptions, ClientRequest, ClientResponse, Proxies,
    ResponseBody, multipart,
};
pub use executor::{GroupExecutor, LocalExecutor};
pub use io::HyperIo;
pub use server::{
    BodyError, BodySender, ConnectionError, ConnectionInfo, NotUpgradable, ProducedBody, RequestBody, Server,
    ServerStatistics, on_upgrade, produce_body,
};
pub use timer::HyperTimer;
#[cfg(feature = "tower")]
pub use tower::tower;
pub use upgraded::UpgradedStream;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The examples of the README.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
