//! Waiting for a process by way of a descriptor that stands for it.
//!
//! # Contract
//! The descriptor is made while the process is an unreaped child of this one, so it stands for that and no other, and it
//! lives as long as the operation on it.

use crate::{
    error::{Error, Result},
    runtime::{Descriptor, Operation, Readiness, UntilReady, WaitReason, calls},
};
use libc::pid_t;
use std::io;

/// Waits until a child that was not reaped has ended.
pub(super) async fn ended(pid: pid_t) -> Result<()> {
    let descriptor =
        open(pid).map_err(|error| Error::of_operation(error, "open a descriptor of process", pid))?;
    match Operation::new(UntilReady::<_, End>::new(descriptor)).await {
        Ok(_) => Ok(()),
        Err(refusal) => Err(refusal.on("wait for process", pid)),
    }
}

fn open(pid: pid_t) -> io::Result<Descriptor> {
    calls::open_process(pid).map(Descriptor::new)
}

/// A descriptor of a process is readable when that has ended.
struct End;

impl Readiness for End {
    const REASON: WaitReason = WaitReason::Process;
    const EVENTS: i16 = libc::POLLIN;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Builder, process::Command, testing::test_backends};

    #[test]
    fn a_descriptor_tells_the_end_of_its_process() {
        for backend in test_backends() {
            Builder::new()
                .backend(backend)
                .run(async || -> Result<()> {
                    let process = Command::new("cat").stdin(crate::process::Stdio::piped()).spawn()?;
                    let mut process = process;
                    process.stdin.take().expect("it is piped").close().await?;
                    ended(process.pid() as pid_t).await?;
                    assert!(process.try_wait()?.is_some_and(|status| status.success()));
                    Ok(())
                })
                .unwrap()
                .unwrap();
        }
    }
}
