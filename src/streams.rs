//! Streams: what bytes and objects flow through.

mod attributes;
mod boxed;
pub mod broadcast;
mod buffered;
mod byte;
mod byte_buffer;
mod closing;
mod connectable;
mod copying;
mod file_content;
pub mod io;
mod lines;
mod listener;
pub mod memory;
mod multi_listener;
mod object;
pub mod objects;
mod piece_sender;
mod repeated;
mod serving;
mod shared;
mod split;
mod stapled;
mod text;
#[cfg(feature = "tls-core")]
pub mod tls;
mod unreliable;
pub mod watch;

pub use attributes::{Attribute, AttributeRequest, Attributes, RawDescriptor, extra};
pub use boxed::{
    BoxedByteReceiveStream, BoxedByteSendStream, BoxedByteStream, BoxedConnectable, BoxedListener,
    BoxedObjectReceiveStream, BoxedObjectSendStream, BoxedObjectStream, BoxedUnreliableObjectReceiveStream,
    BoxedUnreliableObjectSendStream, BoxedUnreliableObjectStream,
};
pub use buffered::BufferedByteStream;
pub use byte::{ByteReceiveStream, ByteSendStream, ByteStream};
pub use connectable::{BufferedConnectable, Connectable, TextConnectable};
pub use copying::{Copied, copy_bidirectional};
pub use file_content::FileContent;
pub(crate) use file_content::read_part;
pub use lines::Lines;
pub use listener::Listener;
pub use multi_listener::MultiListener;
pub use object::{ObjectReceiveStream, ObjectSendStream, ObjectStream};
pub use serving::{Connections, Server, ServerStatistics};
pub use split::Split;
pub use stapled::{StapledByteSendHalf, StapledByteStream, StapledObjectStream};
pub use text::{TextErrors, TextStream};
pub use unreliable::{
    Unreliable, UnreliableObjectReceiveStream, UnreliableObjectSendStream, UnreliableObjectStream,
};

pub(crate) use byte_buffer::ByteBuffer;
