//! gRPC on [anyio], by [tonic]: its generated servers and clients as they are, without tokio's runtime.
//!
//! [`grpc`] makes a handler of [`anyio_http::Server`] of a service, or of several; [`Channel`] is what generated clients
//! speak through. Methods are written with [`local`], and need not be `Send`; [`LocalStream`] is what they send several
//! messages with, on either side.
//!
//! # Features
//! - `reflection`: [`reflection`] tells clients which services there are.
//! - `tls`: TLS on both sides.

#![warn(missing_debug_implementations)]
// docs.rs shows which features an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

// The attribute writes this name, here as in other crates.
#[cfg(feature = "reflection")]
extern crate self as anyio_tonic;

mod call;
mod channel;
mod deadline;
#[doc(hidden)]
pub mod macros;
mod produce;
mod produced;
#[cfg(feature = "reflection")]
pub mod reflection;
mod server;
mod status;
mod stream;

/// Before the implementation of a service's trait, as tonic generates it: its methods are `async` functions whose futures
/// need not be `Send`, so they await anyio, and hold what stays on its thread.
///
/// A method stays on the thread that it was called on, and panics if it is polled on another one. The service itself is to be
/// `Send` and `Sync`: what is not goes into an [`OnThread`](anyio::OnThread). Each core makes a service of its own.
///
/// ```
/// # use std::{future::Future, pin::Pin};
/// # trait Greeter: Send + Sync + 'static {
/// #     fn greet<'a, 'b>(&'a self, name: String) -> Pin<Box<dyn Future<Output = Result<String, Status>> + Send + 'b>>
/// #     where 'a: 'b, Self: 'b;
/// # }
/// use anyio::OnThread;
/// use anyio_tonic::{OrStatus, local};
/// use std::{cell::Cell, rc::Rc, time::Duration};
/// use tonic::Status;
///
/// struct MyGreeter {
///     greeted: OnThread<Rc<Cell<u32>>>,
/// }
///
/// #[local]
/// impl Greeter for MyGreeter {
///     async fn greet(&self, name: String) -> Result<String, Status> {
///         anyio::sleep(Duration::from_millis(1)).await.or_status()?;
///         self.greeted.set(self.greeted.get() + 1);
///         Ok(format!("Hello, {name}!"))
///     }
/// }
/// # anyio::run(async || {
/// # let greeter = MyGreeter { greeted: OnThread::new(Rc::default()) };
/// # assert_eq!(greeter.greet("Ada".to_owned()).await.unwrap(), "Hello, Ada!");
/// # });
/// ```
pub use anyio_tonic_macros::local;
pub use channel::Channel;
pub use produce::{produce, produce_requests};
pub use produced::MessageSender;
pub use server::{AnswerBody, grpc};
pub use status::{OrError, OrStatus};
pub use stream::{LocalStream, MessageStream};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The examples of the README.
#[cfg(all(doctest, feature = "reflection"))]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
