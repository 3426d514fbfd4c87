//! Streams: what bytes and objects flow through.

mod attributes;
pub mod broadcast;
mod buffered;
mod byte;
mod byte_buffer;
pub mod io;
mod lines;
pub mod memory;
mod object;
mod stapled;
mod text;
pub mod watch;

pub use attributes::{Attribute, AttributeRequest, Attributes, extra};
pub use buffered::BufferedByteStream;
pub use byte::{ByteReceiveStream, ByteSendStream, ByteStream};
pub use lines::Lines;
pub use object::{ObjectReceiveStream, ObjectSendStream, ObjectStream};
pub use stapled::{StapledByteStream, StapledObjectStream};
pub use text::{TextErrors, TextStream};

pub(crate) use byte_buffer::ByteBuffer;
