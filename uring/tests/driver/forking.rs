//! A driver in a forked child.

use crate::harness::{Harness, pair, receive};
use anyio_driver::{Driver, Op, Token, Wait};
use std::io::Write;

#[test]
fn a_forked_child_is_refused_and_disturbs_nothing() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    let (mut left, right) = pair();
    let mut buffer = [0; 16];
    let token = harness.submit(receive(&right, &mut buffer));
    assert_eq!(harness.turn(), 0);
    // SAFETY: the child makes no locks or threads of its own and leaves without running anybody's handlers.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            // SAFETY: names nothing.
            unsafe { harness.driver.submit(Token::new(1000, 1), Op::Nop {}) };
            harness.driver.cancel(token);
            harness.driver.withdraw(token, &mut Vec::new());
            harness.driver.unparker().unpark();
            let refused = harness.driver.turn(Wait::No, &mut harness.completions).is_err();
            drop(harness);
            if refused { 0 } else { 1 }
        }));
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(status.unwrap_or(2)) };
    }
    let mut status = -1;
    // SAFETY: the status is valid for writing.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{status:#x}");
    assert_eq!(harness.turn(), 0, "the child's cancel did not reach the kernel");
    left.write_all(b"unharmed").unwrap();
    assert_eq!(harness.next(token).result, 8);
}
