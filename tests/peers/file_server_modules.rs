// The modules of the example, which name each other from the root. Its `main.rs` is left out, and with it some of their uses.
#[allow(dead_code)]
#[path = "../../examples/file_server/access_log.rs"]
mod access_log;
#[allow(dead_code)]
#[path = "../../examples/file_server/addresses.rs"]
mod addresses;
#[allow(dead_code)]
#[path = "../../examples/file_server/body.rs"]
mod body;
#[allow(dead_code)]
#[path = "../../examples/file_server/cache.rs"]
mod cache;
#[allow(dead_code)]
#[path = "../../examples/file_server/conditions.rs"]
mod conditions;
#[allow(dead_code)]
#[path = "../../examples/file_server/connection.rs"]
mod connection;
#[allow(dead_code)]
#[path = "../../examples/file_server/encodings.rs"]
mod encodings;
#[allow(dead_code)]
#[path = "../../examples/file_server/encryption.rs"]
mod encryption;
#[allow(dead_code)]
#[path = "../../examples/file_server/folder.rs"]
mod folder;
#[allow(dead_code)]
#[path = "../../examples/file_server/input.rs"]
mod input;
#[allow(dead_code)]
#[path = "../../examples/file_server/listing.rs"]
mod listing;
#[allow(dead_code)]
#[path = "../../examples/file_server/options.rs"]
mod options;
#[allow(dead_code)]
#[path = "../../examples/file_server/origin.rs"]
mod origin;
#[allow(dead_code, unused_macros, unused_imports)]
#[path = "../../examples/shared/output.rs"]
mod output;
#[allow(dead_code)]
#[path = "../../examples/file_server/panics.rs"]
mod panics;
#[allow(dead_code)]
#[path = "../../examples/file_server/quick.rs"]
mod quick;
#[allow(dead_code)]
#[path = "../../examples/file_server/ranges.rs"]
mod ranges;
#[allow(dead_code)]
#[path = "../../examples/file_server/representation.rs"]
mod representation;
#[allow(dead_code)]
#[path = "../../examples/file_server/request.rs"]
mod request;
#[allow(dead_code)]
#[path = "../../examples/file_server/resource.rs"]
mod resource;
#[allow(dead_code)]
#[path = "../../examples/file_server/response.rs"]
mod response;
#[allow(dead_code)]
#[path = "../../examples/file_server/sending.rs"]
mod sending;
#[allow(dead_code)]
#[path = "../../examples/file_server/server.rs"]
mod server;
#[allow(dead_code)]
#[path = "../../examples/file_server/status.rs"]
mod status;
#[allow(dead_code)]
#[path = "../../examples/file_server/stream.rs"]
mod stream;
#[allow(dead_code)]
#[path = "../../examples/file_server/target.rs"]
mod target;
