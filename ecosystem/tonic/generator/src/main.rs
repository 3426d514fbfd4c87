//! Generates `proto/greeter.rs` and the description of the service that reflection shows, `proto/greeter.bin`, from
//! `proto/greeter.proto`. It is what a build script does, and is run by hand: `ci/tonic.sh --generate`.

use prost::Message;
use std::{error::Error, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto");
    let files = protox::compile(["greeter.proto"], [&folder])?;
    std::fs::write(folder.join("greeter.bin"), files.encode_to_vec())?;
    tonic_prost_build::configure().build_transport(false).out_dir(&folder).compile_fds(files)?;
    Ok(())
}
