//! Running a program to its end, with input, outputs and status.

use crate::temporary::{contents, temporary_file};
use anyio::{
    Error, Result,
    process::{self, Command, Stdio},
    signal::Signal,
};
use std::{
    io::{Seek, Write},
    os::fd::OwnedFd,
};

#[anyio::test]
async fn a_shell_line_and_a_list_of_arguments_are_run_with_input_and_output() -> Result<()> {
    for mut command in [Command::shell("cat; echo err >&2"), {
        let mut command = Command::new("sh");
        command.args(["-c", "cat; echo err >&2"]);
        command
    }] {
        let completed = process::run(command.input("abc")).await?;
        assert_eq!(completed.returncode(), 0);
        assert_eq!(completed.stdout.as_deref(), Some(&b"abc"[..]));
        assert_eq!(completed.stderr.as_deref(), Some(&b"err\n"[..]));
    }
    let completed = process::run(["printf", "%s-", "a b", "$HOME"]).await?;
    assert_eq!(completed.stdout.as_deref(), Some(&b"a b-$HOME-"[..]));
    assert_eq!(completed.args, ["printf", "%s-", "a b", "$HOME"]);
    assert_eq!(process::run("echo *.nothing").await?.stdout.as_deref(), Some(&b"*.nothing\n"[..]));
    Ok(())
}

#[anyio::test]
async fn a_failure_is_an_error_with_code_signal_and_outputs() -> Result<()> {
    let line = "echo out; echo err >&2; exit 3";
    let Err(Error::ProcessFailed(failed)) = process::run(line).await else { panic!("it did not fail") };
    assert_eq!((failed.returncode(), failed.signal()), (3, None));
    assert_eq!(failed.stdout.as_deref(), Some(&b"out\n"[..]));
    assert_eq!(failed.stderr.as_deref(), Some(&b"err\n"[..]));
    assert!(failed.to_string().ends_with("ended with exit code 3"), "{failed}");

    let Err(Error::ProcessFailed(failed)) = process::run("kill -KILL $$").await else {
        panic!("it did not fail")
    };
    assert_eq!((failed.returncode(), failed.signal()), (-libc::SIGKILL, Some(Signal::SIGKILL)));
    assert!(failed.to_string().ends_with("was killed by SIGKILL"), "{failed}");

    let completed = process::run(Command::shell(line).check(false)).await?;
    assert_eq!(completed.returncode(), 3);
    Ok(())
}

#[anyio::test]
async fn an_input_and_another_standard_input_exclude_each_other() {
    let error = process::run(Command::new("cat").input("x").stdin(Stdio::null())).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}

#[anyio::test]
async fn what_cannot_be_started_is_named() {
    let error = process::run(["/no/such/program"]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert!(error.to_string().starts_with("start /no/such/program: "), "{error}");
    let none: [&str; 0] = [];
    assert!(process::run(none).await.is_err());
    assert!(process::open(Command::new("true").current_dir("/no/such/folder")).await.is_err());
}

#[anyio::test]
async fn floods_on_both_outputs_are_drained_at_once() -> Result<()> {
    let line = "head -c 3000000 /dev/zero & head -c 2000000 /dev/zero >&2; wait";
    let completed = process::run(line).await?;
    assert_eq!(completed.stdout.map(|bytes| bytes.len()), Some(3_000_000));
    assert_eq!(completed.stderr.map(|bytes| bytes.len()), Some(2_000_000));
    Ok(())
}

#[anyio::test]
async fn a_large_input_comes_back_while_it_is_fed() -> Result<()> {
    let input: Vec<u8> = (0..1_000_000u32).map(|n| ((n * 7) >> 3) as u8).collect();
    let completed = process::run(Command::new("cat").input(input.clone())).await?;
    assert!(completed.stdout == Some(input));
    Ok(())
}

#[anyio::test]
async fn a_process_need_not_read_its_input() -> Result<()> {
    let completed = process::run(Command::shell("exec <&-; echo done").input(vec![0; 1_000_000])).await?;
    assert_eq!(completed.stdout.as_deref(), Some(&b"done\n"[..]));
    Ok(())
}

#[anyio::test]
async fn standard_streams_are_connected_to_files() -> Result<()> {
    let (mut input, output, errors) = (temporary_file(), temporary_file(), temporary_file());
    input.write_all(b"from a file")?;
    input.rewind()?;
    let mut command = Command::shell("cat; echo err >&2");
    command.stdin(input).stdout(output.try_clone()?).stderr(errors.try_clone()?);
    let completed = process::run(&mut command).await?;
    assert_eq!((completed.stdout, completed.stderr), (None, None));
    assert_eq!((contents(output), contents(errors)), ("from a file".into(), "err\n".into()));

    let process = process::open(
        Command::new("true").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()),
    )
    .await?;
    assert!(process.stdin.is_none() && process.stdout.is_none() && process.stderr.is_none());
    process.close().await?;
    Ok(())
}

#[anyio::test]
async fn standard_error_goes_to_standard_output_wherever_that_goes() -> Result<()> {
    let line = "echo one; echo two >&2; echo three";
    let completed = process::run(Command::shell(line).stderr(Stdio::to_stdout())).await?;
    assert_eq!(completed.stdout.as_deref(), Some(&b"one\ntwo\nthree\n"[..]));
    assert_eq!(completed.stderr, None);
    let file = temporary_file();
    process::run(Command::shell(line).stdout(file.try_clone()?).stderr(Stdio::to_stdout())).await?;
    assert_eq!(contents(file), "one\ntwo\nthree\n");
    let mut wrong = Command::new("true");
    assert!(wrong.stdout(Stdio::to_stdout()).spawn().is_err());
    Ok(())
}

#[anyio::test]
async fn one_process_reads_what_another_writes() -> Result<()> {
    let mut first = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    let pipe: OwnedFd = first.stdout.take().unwrap().into_owned().unwrap();
    let completed = process::run(Command::new("rev").stdin(pipe)).await?;
    assert_eq!(completed.stdout.as_deref(), Some(&b"olleh\n"[..]));
    first.wait().await?;
    Ok(())
}

#[anyio::test]
async fn a_command_is_started_several_times() -> Result<()> {
    let mut command = Command::shell("cat");
    command.input("again").env("X", "1");
    for _ in 0..3 {
        assert_eq!(process::run(&mut command).await?.stdout.as_deref(), Some(&b"again"[..]));
    }
    Ok(())
}

#[anyio::test]
async fn output_and_status_are_those_of_the_standard_library() -> Result<()> {
    let output = Command::shell("cat; echo out; echo err >&2; exit 5").output().await?;
    assert_eq!(
        (output.status.code(), &*output.stdout, &*output.stderr),
        (Some(5), &b"out\n"[..], &b"err\n"[..])
    );
    assert_eq!(Command::shell("exit 6").status().await?.code(), Some(6));
    Ok(())
}

#[anyio::test]
async fn a_stream_that_is_inherited_is_the_one_of_this_process() -> Result<()> {
    // What a shell's child inherits is what the shell was given.
    let outer = Command::shell("echo inherited | cat").output().await?;
    assert_eq!(outer.stdout, b"inherited\n");
    let mut command = Command::shell("test /dev/fd/1 -ef /proc/$PPID/fd/1");
    let own = process::run(command.stdout(Stdio::inherit()).check(false)).await?;
    assert!(own.status.success(), "the child's standard output is another one");
    assert_eq!(own.stdout, None);
    Ok(())
}
