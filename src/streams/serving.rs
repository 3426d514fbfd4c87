//! Serving connections.

mod connection;
mod connections;
mod places;
mod server;

pub use connections::Connections;
pub use places::ServerStatistics;
pub use server::Server;
