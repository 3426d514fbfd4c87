//! What the examples do when nobody reads what they print, or it cannot be written.

use crate::server::example;
use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader},
    os::fd::OwnedFd,
    process::{Command, Output, Stdio},
};

/// The examples that end by themselves, with arguments for which they print a lot.
fn examples() -> Vec<(&'static str, Command)> {
    let mut counting = example("word_count");
    counting.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests"));
    let mut building = example("build_runner");
    building.args(["echo one; echo two", "echo three"]);
    vec![
        ("doctor", example("doctor")),
        ("tour", example("tour")),
        ("word_count", counting),
        ("build_runner", building),
    ]
}

/// A pipe that nobody reads.
fn closed_pipe() -> OwnedFd {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn run(command: &mut Command, stdout: impl Into<Stdio>) -> Output {
    command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).output().unwrap()
}

#[test]
fn examples_end_quietly_when_nobody_reads() {
    for (name, mut command) in examples() {
        let output = run(&mut command, closed_pipe());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && told.is_empty(), "{name}: {}: {told}", output.status);
    }
    for (name, argument) in [("echo_server", "--port=0"), ("file_server", "--port=0")] {
        let output = run(example(name).arg(argument), closed_pipe());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && told.is_empty(), "{name}: {}: {told}", output.status);
    }
}

#[test]
fn doctor_may_be_asked_for_its_first_line_only() {
    let mut child = example("doctor").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(!line.is_empty());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn examples_tell_of_a_full_disk_and_fail() {
    let full = || -> File { OpenOptions::new().write(true).open("/dev/full").unwrap() };
    let servers = [("echo_server", "--port=0"), ("file_server", "--port=0")].map(|(name, argument)| {
        let mut command = example(name);
        command.arg(argument);
        (name, command)
    });
    for (name, mut command) in examples().into_iter().chain(servers) {
        let output = run(&mut command, full());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{name}: {told}");
        let [line] = &told.lines().collect::<Vec<_>>()[..] else { panic!("{name}: not one line: {told}") };
        assert!(line.starts_with("Error: ") && line.contains("No space left on device"), "{name}: {line}");
        assert!(!line.contains("Os {"), "{name}: the error is told in the form for programmers: {line}");
    }
}
