//! Set-up where io_uring is taken away. Each case is a process of its own: this test program, started again.

use anyio_uring::{Options, SetupCause, SetupError, UringDriver};
use std::{env, error::Error, fs, io, os::unix::process::CommandExt, process::Command};

/// Answers the system calls of io_uring with an error number, in this process and its children.
fn take_io_uring_away(number: i32) -> io::Result<()> {
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let (load, compare, answer) = (
        libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
        libc::BPF_JMP | libc::BPF_K,
        libc::BPF_RET | libc::BPF_K,
    );
    let program = [
        step(load, 0, 0, 0),
        step(compare | libc::BPF_JGE, 0, 2, libc::SYS_io_uring_setup as u32),
        step(compare | libc::BPF_JGT, 1, 0, libc::SYS_io_uring_register as u32),
        step(answer, 0, 0, libc::SECCOMP_RET_ERRNO | number as u32),
        step(answer, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    // SAFETY: the program and its steps are valid for the duration of the calls.
    let installed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
    };
    if installed { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Runs one test of this program in a process of its own, which `prepare` makes different.
fn run_alone(test: &str, prepare: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]);
    // SAFETY: the preparations are single system calls, which are allowed between fork and exec.
    unsafe { command.pre_exec(prepare) };
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
}

fn refused() -> SetupError {
    UringDriver::new(&Options::default()).expect_err("io_uring was taken away")
}

#[test]
fn a_filter_that_forbids_is_told_from_one_that_hides() {
    run_alone("refusals::forbidden", || take_io_uring_away(libc::EPERM));
    run_alone("refusals::hidden", || take_io_uring_away(libc::ENOSYS));
}

#[test]
#[ignore = "needs a process of its own"]
fn forbidden() {
    let error = refused();
    let setting = fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    match setting.trim() {
        "1" | "2" => assert!(matches!(error.cause(), SetupCause::Disabled { .. })),
        _ => {
            assert_eq!(error.cause(), SetupCause::Refused);
            assert!(error.to_string().contains("seccomp"), "{error}");
        }
    }
    assert_eq!(error.raw_os_error(), Some(libc::EPERM));
    assert!(error.source().is_some());
}

#[test]
#[ignore = "needs a process of its own"]
fn hidden() {
    let error = refused();
    assert_eq!(error.cause(), SetupCause::Absent);
    assert!(error.to_string().contains("5.15"), "{error}");
    assert_eq!(error.raw_os_error(), Some(libc::ENOSYS));
}

#[test]
fn a_lack_of_memory_names_the_limit() {
    run_alone("refusals::without_memory", || {
        let limit = libc::rlimit { rlim_cur: 65536, rlim_max: 65536 };
        // SAFETY: the structure is valid.
        if unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit) } != 0 {
            return Err(io::Error::last_os_error());
        }
        take_io_uring_away(libc::ENOMEM)
    });
}

#[test]
#[ignore = "needs a process of its own"]
fn without_memory() {
    let error = refused();
    assert_eq!(error.cause(), SetupCause::Memory { locked_limit: Some(65536) });
    assert!(error.to_string().contains("RLIMIT_MEMLOCK is 65536"), "{error}");
}

#[test]
fn a_lack_of_descriptors_is_named() {
    skip_unless_selected!();
    run_alone("refusals::without_descriptors", || Ok(()));
}

#[test]
#[ignore = "needs a process of its own"]
fn without_descriptors() {
    let mut open = 0;
    while crate::harness::is_open(open) {
        open += 1;
    }
    // At one of these limits the ring is what does not fit any more, at the other the eventfd.
    for room in 0..2 {
        let limit = libc::rlimit { rlim_cur: open as u64 + room, rlim_max: 1000 };
        // SAFETY: the structure is valid.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
        let error = refused();
        assert_eq!(error.cause(), SetupCause::ProcessDescriptors, "with room for {room}: {error}");
    }
}

#[test]
fn drivers_leave_no_descriptors_behind() {
    skip_unless_selected!();
    run_alone("refusals::descriptors_before_and_after", || Ok(()));
}

#[test]
#[ignore = "needs a process of its own"]
fn descriptors_before_and_after() {
    let open = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    for _ in 0..100 {
        let driver = UringDriver::new(&Options::default()).unwrap();
        let unparker = anyio_driver::Driver::unparker(&driver);
        drop(driver);
        drop(unparker);
    }
    assert_eq!(open(), before);
}
