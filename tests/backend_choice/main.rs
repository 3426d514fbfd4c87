//! Which back end runs: what the program asks for, what the environment names, and what the host allows.
//!
//! Each test starts a program (see `programs`), mostly on a host that refuses io_uring in one way or another (see
//! `launcher`), and looks at what it says.

#![allow(clippy::incompatible_msrv, reason = "tests are built with a current compiler")]
#![cfg(target_os = "linux")]

mod launcher;
mod programs;

use launcher::{Answers, Launcher, Refused};

/// What refusals there are, and words by which the cause is known.
const REFUSALS: [(i32, &str); 3] = [
    (libc::EPERM, "seccomp profile"),
    (libc::ENOSYS, "this kernel has no io_uring"),
    (libc::ENOMEM, "no memory for the ring; RLIMIT_MEMLOCK"),
];

fn refusing(errno: i32) -> Launcher {
    Launcher::new().refuse(Refused::EVERYTHING, errno)
}

/// The one line in the log, which names the cause.
#[track_caller]
fn assert_fallen_back(answers: &Answers, cause: &str) {
    assert_eq!(answers.backends(), ["poll"], "{answers:?}");
    let [line] = answers.logged() else { panic!("not one line in the log: {answers:?}") };
    assert!(line.starts_with("INFO anyio") && line.contains("anyio polls"), "{line}");
    assert!(line.contains("io_uring is not available") && line.contains(cause), "{line}");
}

#[track_caller]
fn assert_failed(answers: &Answers, cause: &str) {
    let [error] = answers.errors() else { panic!("not one error: {answers:?}") };
    assert!(error.contains(cause), "{error}");
    assert!(answers.backends().is_empty() && answers.logged().is_empty(), "{answers:?}");
}

#[test]
fn a_refused_ring_means_polling_and_one_line_with_the_cause() {
    for (errno, cause) in REFUSALS {
        assert_fallen_back(&refusing(errno).run("everything"), cause);
        assert_fallen_back(&refusing(errno).environment("auto").run("everything"), cause);
        assert_fallen_back(&refusing(errno).environment("").run("everything"), cause);
        assert_fallen_back(&refusing(errno).backend("auto").environment("uring").run("everything"), cause);
    }
}

#[test]
fn a_refused_ring_fails_programs_that_insist_and_tells_the_cause() {
    for (errno, cause) in REFUSALS {
        assert_failed(&refusing(errno).backend("uring").run("everything"), cause);
        assert_failed(&refusing(errno).environment("uring").run("everything"), cause);
    }
}

#[test]
fn polling_that_was_asked_for_is_no_news() {
    for errno in [libc::EPERM, libc::ENOSYS, libc::ENOMEM] {
        for launcher in [refusing(errno).backend("poll"), refusing(errno).environment("poll")] {
            let answers = launcher.run("everything");
            assert_eq!(answers.backends(), ["poll"], "{answers:?}");
            assert!(answers.logged().is_empty() && answers.errors().is_empty(), "{answers:?}");
        }
    }
}

/// Whether the host offers a ring, so that something can be taken away from it. Tells if not.
fn offers_ring() -> bool {
    match anyio::doctor::examine().uring.refusal {
        Some(cause) => {
            eprintln!("skipped: {cause}");
            false
        }
        None => true,
    }
}

#[test]
fn a_ring_that_cannot_be_entered_means_polling() {
    if !offers_ring() {
        return;
    }
    let launcher = || Launcher::new().refuse(Refused::ENTER, libc::EPERM);
    assert_fallen_back(&launcher().run("everything"), "refuses io_uring_enter");
    assert_failed(&launcher().backend("uring").run("everything"), "refuses io_uring_enter");
}

#[test]
fn a_ring_that_does_not_tell_what_it_can_do_means_polling() {
    if !offers_ring() {
        return;
    }
    let launcher = || Launcher::new().refuse(Refused::REGISTER, libc::EPERM);
    assert_fallen_back(&launcher().run("everything"), "asking for the opcodes: Operation not permitted");
    assert_failed(
        &launcher().backend("uring").run("everything"),
        "asking for the opcodes: Operation not permitted",
    );
}

#[test]
fn many_runs_and_many_cores_make_one_line() {
    let answers = refusing(libc::EPERM).run("twice");
    assert_eq!(answers.backends(), ["poll", "poll"], "{answers:?}");
    assert_eq!(answers.logged().len(), 1, "{answers:?}");
    let answers = refusing(libc::EPERM).run("cores");
    assert_eq!(answers.backends(), ["poll", "poll", "poll"], "{answers:?}");
    assert_eq!(answers.logged().len(), 1, "{answers:?}");
}

#[test]
fn cores_that_insist_on_a_ring_fail_with_the_cause() {
    let answers = refusing(libc::ENOSYS).backend("uring").run("cores");
    assert_eq!(answers.backends(), [""; 0], "{answers:?}");
    assert!(
        answers.errors().iter().any(|error| error.contains("this kernel has no io_uring")),
        "{answers:?}"
    );
}

#[test]
fn no_locked_memory_means_polling_or_an_error_that_names_the_limit() {
    if !offers_ring() {
        return;
    }
    let launcher = || Launcher::new().without_locked_memory();
    let probe = launcher().backend("uring").run("everything");
    if probe.errors().is_empty() {
        assert_eq!(probe.backends(), ["uring"], "{probe:?}");
        eprintln!("skipped: this kernel does not count rings as locked memory, or not for this user");
        return;
    }
    assert_failed(&probe, "RLIMIT_MEMLOCK is 0 bytes");
    assert_fallen_back(&launcher().run("everything"), "RLIMIT_MEMLOCK is 0 bytes");
    assert_eq!(launcher().backend("poll").run("everything").backends(), ["poll"]);
}

#[test]
fn a_name_in_the_environment_that_means_nothing_is_an_error() {
    for name in ["epoll", "Uring", " poll", "\u{fffd}"] {
        let answers = Launcher::new().environment(name).run("everything");
        assert_failed(&answers, "ANYIO_BACKEND");
        assert_failed(&answers, "auto, uring and poll");
        assert_failed(&answers, &format!("{name:?}"));
    }
    assert_failed(&Launcher::new().unreadable_environment().run("everything"), "auto, uring and poll");
}

#[test]
fn what_the_program_asks_for_outweighs_the_environment() {
    let answers = Launcher::new().backend("poll").environment("epoll").run("everything");
    assert_eq!(answers.backends(), ["poll"], "{answers:?}");
}

#[test]
fn a_host_that_offers_a_ring_gets_one_without_a_word() {
    if !offers_ring() {
        return;
    }
    for launcher in [Launcher::new(), Launcher::new().backend("uring"), Launcher::new().environment("uring")]
    {
        let answers = launcher.run("everything");
        assert_eq!(answers.backends(), ["uring"], "{answers:?}");
        assert!(answers.logged().is_empty() && answers.errors().is_empty(), "{answers:?}");
    }
}

#[test]
fn the_diagnosis_tells_what_would_be_chosen_and_why() {
    let answers = refusing(libc::EPERM).run("diagnosis");
    let text = answers.said();
    assert!(text.contains("seccomp filter: yes"), "{text}");
    assert!(text.contains("uring: no (io_uring is not available: the system call is refused"), "{text}");
    assert!(text.contains("choice: poll, because io_uring is not available"), "{text}");
    let answers = refusing(libc::EPERM).environment("uring").run("diagnosis");
    assert!(answers.said().contains("choice: none, because ANYIO_BACKEND names it, but"), "{answers:?}");
}

#[test]
fn the_diagnosis_and_the_choice_agree() {
    let said = Launcher::new().run("diagnosis");
    let done = Launcher::new().run("everything");
    let [backend] = done.backends() else { panic!("not one run: {done:?}") };
    assert!(said.said().contains(&format!("choice: {backend}, because")), "{said:?}");
}
