//! Streams, listeners and connectables whose type is not known.
//!
//! What can be done with one lies behind a trait of its own for each kind, which everything of that kind implements:
//! traits with `async fn`s and generic buffers cannot themselves be trait objects. Each wait is a boxed future, and each
//! buffer that is lent goes into a box for as long; bytes are not copied.

mod buffer;
mod byte;
mod connectable;
mod listener;
mod object;
mod unreliable;

pub use byte::{BoxedByteReceiveStream, BoxedByteSendStream, BoxedByteStream};
pub use connectable::BoxedConnectable;
pub use listener::BoxedListener;
pub use object::{BoxedObjectReceiveStream, BoxedObjectSendStream, BoxedObjectStream};
pub use unreliable::{
    BoxedUnreliableObjectReceiveStream, BoxedUnreliableObjectSendStream, BoxedUnreliableObjectStream,
};

use std::pin::Pin;

/// A future whose type is not known.
type BoxedFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Implements `Attributes` and `Debug` for boxes around what knows attributes.
macro_rules! boxed {
    ($([$($generic:ident)?] $type:ident),*) => {$(
        impl$(<$generic: 'static>)? $crate::streams::Attributes for $type$(<$generic>)? {
            fn provide(&self, request: &mut $crate::streams::AttributeRequest<'_>) {
                self.0.provide(request);
            }
        }

        impl$(<$generic>)? std::fmt::Debug for $type$(<$generic>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($type)).finish_non_exhaustive()
            }
        }
    )*};
}

use boxed;
