//! Services and layers of tower's. The layers are twins of those that have tokio's clock or start tokio's tasks; all others
//! of tower's and tower-http's can be used as they are.

mod buffer;
mod connection_info;
mod local;
mod rate_limit;
mod retry;
#[cfg(feature = "files")]
mod serve_dir;
mod service;
mod timeout;

pub use buffer::Buffer;
pub use connection_info::{WithConnectionInfo, with_connection_info};
pub use local::LocalFuture;
pub use rate_limit::{RateLimit, RateLimitLayer};
pub use retry::{Backoff, Retry, RetryLayer, RetryPolicy};
pub use service::tower;
pub use timeout::{Timeout, TimeoutLayer};
