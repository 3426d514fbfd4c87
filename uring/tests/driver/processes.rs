//! Waiting for other processes.

use crate::harness::Harness;
use anyio_driver::{Driver, Op, OpKind};
use std::{mem, process::Command};

#[test]
fn the_end_of_a_process_is_reported() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    if !harness.driver.supports(OpKind::WaitProcess) {
        return;
    }
    let mut child = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
    // SAFETY: all zeroes is an empty answer.
    let mut info: Box<libc::siginfo_t> = Box::new(unsafe { mem::zeroed() });
    let op = Op::WaitProcess {
        pid: child.id() as libc::pid_t,
        info: &mut *info,
        options: libc::WEXITED | libc::WNOWAIT,
    };
    assert_eq!(harness.run(op).unwrap(), 0);
    // SAFETY: the kernel has filled in what a child's end is told with.
    assert_eq!(unsafe { info.si_status() }, 7);
    assert_eq!(child.wait().unwrap().code(), Some(7));
}
