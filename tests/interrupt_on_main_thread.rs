//! A run on the process's main thread handles Ctrl-C unasked. Tests of the usual kind run on other threads, so this is a
//! program without them, which runs itself.

#![allow(clippy::incompatible_msrv, reason = "tests are built with a current compiler")]

use anyio::{Error, sleep_forever, testing::test_backends};
use std::{
    env,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

const IS_CHILD: &str = "INTERRUPT_ON_MAIN_THREAD_IS_CHILD";

fn main() {
    if env::var_os(IS_CHILD).is_some() {
        let result = anyio::run(async || -> anyio::Result<()> {
            println!("ready");
            Err(sleep_forever().await.into())
        });
        assert!(matches!(result, Err(Error::Cancelled(_))));
        return;
    }
    // The children are to have the default effect, and not what the tests have inherited.
    // SAFETY: no handler is replaced.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
    for backend in test_backends() {
        let mut child = Command::new(env::current_exe().unwrap())
            .env(IS_CHILD, "1")
            .env("ANYIO_BACKEND", backend.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        // SAFETY: the child has not been waited for.
        assert_eq!(unsafe { libc::kill(child.id() as i32, libc::SIGINT) }, 0);
        assert!(child.wait().unwrap().success());
    }
}
