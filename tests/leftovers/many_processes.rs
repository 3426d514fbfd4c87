//! Many processes, with nothing left of them.

use crate::peers::{lock, open_descriptors};
use anyio::{Builder, Result, process, sleep, task_group, testing::test_backends};
use std::{cell::Cell, io, time::Duration};

/// Whether this program has a child, running or not reaped.
fn has_children() -> bool {
    // SAFETY: nothing is filled, and nothing is reaped.
    let result = unsafe {
        libc::waitid(libc::P_ALL, 0, std::ptr::null_mut(), libc::WEXITED | libc::WNOHANG | libc::WNOWAIT)
    };
    result == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ECHILD)
}

async fn run_many() -> Result<()> {
    let before = open_descriptors();
    let left = Cell::new(2000);
    task_group(async |tg| -> Result<()> {
        for _ in 0..64 {
            tg.start_soon(async {
                while left.get() > 0 {
                    left.set(left.get() - 1);
                    let completed = process::run(["/bin/echo", "x"]).await?;
                    assert_eq!(completed.stdout.as_deref(), Some(&b"x\n"[..]));
                }
                Ok(())
            });
        }
        Ok(())
    })
    .await?;
    // What is closed in the background is closed when the kernel is entered again.
    sleep(Duration::from_millis(1)).await?;
    assert_eq!(open_descriptors(), before);
    assert!(!has_children());
    Ok(())
}

#[test]
fn two_thousand_children_leave_no_descriptor_and_no_zombie() {
    let _lock = lock();
    for backend in test_backends() {
        Builder::new().backend(backend).run(run_many).unwrap().unwrap();
    }
}
