//! Files of a folder.

mod body;
mod conditions;
#[allow(dead_code, reason = "who lists folders needs more of it")]
mod folder;
mod ranges;
mod serve_dir;
mod target;

pub use body::FileBody;
pub use serve_dir::ServeDir;
