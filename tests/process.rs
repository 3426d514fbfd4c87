//! Starting processes, talking to them, and leaving none behind.

use anyio::{
    CancelScope, Error, Result, as_completed, lowlevel, move_on_after,
    process::{self, Command, Process, Stdio},
    signal::Signal,
    sleep, task_group,
};
use std::{
    cell::Cell,
    fs::{self, File},
    io::{Read, Seek, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::process::ExitStatusExt,
    },
    path::PathBuf,
    time::{Duration, Instant},
};

/// Whether a process is there and not a zombie.
fn is_alive(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != 'Z')
}

/// The letter that stands for a process's state.
fn state(pid: u32) -> Option<char> {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    status.rsplit_once(')')?.1.trim().chars().next()
}

/// Waits until something is so. What other processes do cannot be awaited in another way.
async fn until(condition: impl Fn() -> bool) -> Result<()> {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(10), "it did not come about");
        sleep(Duration::from_millis(1)).await?;
    }
    Ok(())
}

/// A new path in the folder for temporary files.
fn temporary_path() -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("anyio-process-{}-{number}", std::process::id()))
}

fn temporary_file() -> File {
    let path = temporary_path();
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    fs::remove_file(path).unwrap();
    file
}

fn contents(mut file: File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

/// A process that says its number, and that of one that it has started, and then does as the line says.
fn talkative(line: &str) -> Command {
    let mut command = Command::shell(line);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

async fn line_of(process: &Process) -> Result<String> {
    let mut line = String::new();
    while !line.ends_with('\n') {
        let chunk = process.stdout.as_ref().unwrap().receive_at_most(1).await?.expect("a line is coming");
        line.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    Ok(line.trim_end().to_string())
}

// ---- run ----

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

// ---- options ----

async fn said(command: &mut Command) -> Result<String> {
    Ok(String::from_utf8(process::run(command).await?.stdout.unwrap()).unwrap().trim_end().to_string())
}

#[anyio::test]
async fn folder_and_environment_are_passed() -> Result<()> {
    assert_eq!(said(Command::new("pwd").current_dir("/usr")).await?, "/usr");
    let show = "echo ${A-none} ${B-none} ${HOME-none}";
    assert_eq!(
        said(Command::shell(show).env("A", "1").env("B", "2").env_remove("B").env_remove("HOME")).await?,
        "1 none none"
    );
    assert_eq!(said(Command::shell(show).env("A", "1").env_clear().envs([("B", "2")])).await?, "none 2 none");
    Ok(())
}

#[anyio::test]
async fn a_session_or_process_group_of_its_own_is_begun() -> Result<()> {
    let session_and_group = |pid: u32| {
        // SAFETY: the calls only ask.
        unsafe { (libc::getsid(pid as i32), libc::getpgid(pid as i32)) }
    };
    let (session, group) = session_and_group(0);
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped());
    let process = command.spawn()?;
    assert_eq!(session_and_group(process.pid()), (session, process.pid() as i32));
    process.close().await?;

    let process = command.inherit_process_group().spawn()?;
    assert_eq!(session_and_group(process.pid()), (session, group));

    let joined = command.process_group(group).spawn()?;
    assert_eq!(session_and_group(joined.pid()), (session, group));
    joined.close().await?;
    process.close().await?;

    let process = command.start_new_session(true).spawn()?;
    let own = process.pid() as i32;
    assert_eq!(session_and_group(process.pid()), (own, own));
    process.close().await?;
    Ok(())
}

#[anyio::test]
async fn user_groups_and_umask_are_set() -> Result<()> {
    assert_eq!(said(Command::shell("umask").umask(0o027)).await?, "0027");
    // SAFETY: the call only asks.
    if unsafe { libc::geteuid() } != 0 {
        let error = Command::new("true").uid(0).spawn().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
        return Ok(());
    }
    let identity = "echo $(id -u) $(id -g) $(id -G)";
    assert_eq!(said(Command::shell(identity).uid(1234).gid(2345)).await?, "1234 2345 2345");
    assert_eq!(
        said(Command::shell(identity).uid(1234).gid(2345).groups([3, 4])).await?,
        "1234 2345 2345 3 4"
    );
    Ok(())
}

#[anyio::test]
async fn users_and_groups_are_known_by_name() -> Result<()> {
    let nobody = Command::new("true").user("no such user").spawn().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::NotFound);
    assert!(nobody.to_string().contains("no such user"), "{nobody}");
    let nobody = Command::new("true").group("no such group").spawn().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::NotFound);
    assert!(Command::new("true").group_names(["no such group"]).spawn().is_err());
    // SAFETY: the call only asks.
    if unsafe { libc::geteuid() } != 0 {
        return Ok(());
    }
    let mut identity = Command::shell("echo $(id -un) $(id -gn) $(id -Gn)");
    assert_eq!(said(identity.user("daemon").group("bin")).await?, "daemon bin bin");
    assert_eq!(said(identity.group_names(["sys"])).await?, "daemon bin bin sys");
    Ok(())
}

#[anyio::test]
async fn descriptors_that_are_passed_have_the_same_numbers_in_each_child() -> Result<()> {
    let mut one = temporary_file();
    let two = temporary_file();
    one.write_all(b"one")?;
    let (first, second) = (one.as_raw_fd(), two.as_raw_fd());
    let mut command = Command::shell(format!("cat /dev/fd/{first}; echo two >/dev/fd/{second}"));
    command.pass_fds([one, two.try_clone()?]);
    // The duplicate has another number, so the second redirection fails.
    assert!(!command.status().await?.success());
    command.pass_fd(two);
    for _ in 0..2 {
        assert_eq!(said(&mut command).await?, "one");
    }
    let mut other = Command::shell(format!("[ ! -e /dev/fd/{second} ]"));
    assert!(other.status().await?.success());
    Ok(())
}

#[anyio::test]
async fn a_child_has_no_descriptors_of_its_parent() -> Result<()> {
    // What this program was given by whoever started it goes on to its children.
    let mut count = Command::shell("ls /proc/self/fd | wc -l");
    let before = said(&mut count).await?;
    let one = process::open("cat").await?;
    assert_eq!(said(&mut count).await?, before);
    one.close().await?;
    Ok(())
}

// ---- streams ----

#[anyio::test]
async fn bytes_are_sent_and_received_while_the_process_runs() -> Result<()> {
    let process = process::open("cat").await?;
    let (stdin, stdout) = (process.stdin.as_ref().unwrap(), process.stdout.as_ref().unwrap());
    stdin.send("hello").await?;
    assert_eq!(stdout.receive_at_most(2).await?.unwrap(), "he");
    assert_eq!(stdout.receive().await?.unwrap(), "llo");
    stdin.send(vec![1, 2, 3]).await?;
    let (result, buffer) = stdout.receive_into(Vec::with_capacity(10)).await;
    assert_eq!((result?, buffer), (3, vec![1, 2, 3]));
    assert!(process.close().await?.success());
    Ok(())
}

/// Sends until nobody holds the other end. A child that another test has forked, and that has not yet become its
/// program, still holds a copy for a moment.
async fn send_until_broken(stdin: &process::ChildStdin) {
    let error = loop {
        if let Err(error) = stdin.send("nobody reads").await {
            break error;
        }
    };
    assert!(matches!(error, Error::BrokenResource(_)), "{error}");
}

#[anyio::test]
async fn a_child_that_closes_its_input_breaks_the_stream() -> Result<()> {
    let mut command = talkative("exec <&-; echo closed; exec sleep 1000");
    let ended = process::with(&mut command, async |process| {
        line_of(process).await?;
        send_until_broken(process.stdin.as_ref().unwrap()).await;
        process.kill()
    });
    assert_eq!(ended.await?.1.signal(), Some(libc::SIGKILL));
    Ok(())
}

#[anyio::test]
async fn after_the_end_of_a_child_sending_fails_and_receiving_ends() -> Result<()> {
    let process = process::open("echo last").await?;
    process.wait().await?;
    send_until_broken(process.stdin.as_ref().unwrap()).await;
    let stdout = process.stdout.as_ref().unwrap();
    assert_eq!(stdout.receive().await?.unwrap(), "last\n");
    assert!(stdout.receive().await?.is_none());
    assert!(stdout.receive().await?.is_none());
    assert!(process.stderr.as_ref().unwrap().receive().await?.is_none());
    Ok(())
}

#[anyio::test]
async fn a_second_task_is_told_that_the_stream_is_busy() -> Result<()> {
    let process = process::open("cat").await?;
    let stdout = process.stdout.as_ref().unwrap();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            assert_eq!(stdout.receive().await?.unwrap(), "x");
            Ok(())
        });
        lowlevel::checkpoint().await?;
        assert!(matches!(stdout.receive().await, Err(Error::BusyResource(_))));
        process.stdin.as_ref().unwrap().send("x").await
    })
    .await?;
    process.close().await?;
    Ok(())
}

#[anyio::test]
async fn a_cancelled_receive_loses_no_byte() -> Result<()> {
    let process = process::open("cat").await?;
    let (stdin, stdout) = (process.stdin.as_ref().unwrap(), process.stdout.as_ref().unwrap());
    for round in 0..100u8 {
        let scope = CancelScope::new();
        let early = Cell::new(None);
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                early.set(scope.run(async || stdout.receive().await).await?.flatten());
                Ok(())
            });
            lowlevel::checkpoint().await?;
            stdin.send([round]).await?;
            scope.cancel();
            Ok(())
        })
        .await?;
        let received = match early.take() {
            Some(chunk) => chunk,
            None => stdout.receive().await?.unwrap(),
        };
        assert_eq!(received, [round]);
    }
    process.close().await?;
    Ok(())
}

#[anyio::test]
async fn a_send_into_a_full_pipe_is_cancelled() -> Result<()> {
    let mut process = Command::shell("sleep 1000").stdin(Stdio::piped()).spawn()?;
    let stdin = process.stdin.take().unwrap();
    let sent = move_on_after(Duration::from_millis(20), stdin.send(vec![0; 1_000_000])).await?;
    assert_eq!(sent, None);
    process.stop().await?;
    Ok(())
}

// ---- waiting and signals ----

#[anyio::test]
async fn many_tasks_wait_for_one_process() -> Result<()> {
    let process = process::open("read line; exit 7").await?;
    assert_eq!((process.returncode(), process.try_wait()?), (None, None));
    let waited = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        for _ in 0..5 {
            tg.start_soon(async {
                assert_eq!(process.wait().await?.code(), Some(7));
                waited.set(waited.get() + 1);
                Ok(())
            });
        }
        lowlevel::checkpoint().await?;
        process.stdin.as_ref().unwrap().send("\n").await
    })
    .await?;
    assert_eq!(waited.get(), 5);
    assert_eq!(process.wait().await?.code(), Some(7));
    assert_eq!(process.returncode(), Some(7));
    Ok(())
}

#[anyio::test]
async fn a_cancelled_wait_leaves_the_status_for_the_next() -> Result<()> {
    let process = process::open("read line; exit 7").await?;
    for _ in 0..10 {
        assert_eq!(move_on_after(Duration::from_millis(1), process.wait()).await?, None);
    }
    let scope = CancelScope::new();
    scope.cancel();
    assert_eq!(scope.run(async || process.wait().await).await?, None);
    process.stdin.as_ref().unwrap().send("\n").await?;
    assert_eq!(process.wait().await?.code(), Some(7));
    let cancelled = CancelScope::new();
    cancelled.cancel();
    assert_eq!(cancelled.run(async || process.wait().await).await?, None);
    Ok(())
}

#[anyio::test]
async fn a_process_is_terminated_killed_and_sent_signals() -> Result<()> {
    let trap = "trap 'exit 2' TERM; trap 'exit 3' USR1; echo ready; while :; do sleep 0.01; done";
    for (send, code) in [
        (Process::terminate as fn(&Process) -> Result<()>, Ok(2)),
        (|process: &Process| process.send_signal(Signal::SIGUSR1), Ok(3)),
        (Process::kill, Err(libc::SIGKILL)),
    ] {
        let (_, status) = process::with(&mut talkative(trap), async |process| {
            line_of(process).await?;
            send(process)
        })
        .await?;
        assert_eq!(status.code().ok_or(status.signal().unwrap_or(0)), code);
    }
    let process = process::open("true").await?;
    process.wait().await?;
    // Nobody gets these.
    process.terminate()?;
    process.kill()?;
    process.send_signal(Signal::SIGHUP)?;
    process.send_signal_to_group(Signal::SIGHUP)?;
    Ok(())
}

#[anyio::test]
async fn wait_returns_although_a_grandchild_keeps_the_output_open() -> Result<()> {
    let process = talkative("sleep 1000 & echo $!").spawn()?;
    let grandchild: u32 = line_of(&process).await?.parse().unwrap();
    assert!(process.wait().await?.success());
    assert!(is_alive(grandchild));
    process.close().await?;
    assert!(is_alive(grandchild), "a process that has ended by itself may leave others behind");
    // SAFETY: the number is that of the process just seen.
    unsafe { libc::kill(grandchild as i32, libc::SIGKILL) };
    Ok(())
}

// ---- leaving ----

#[anyio::test]
async fn closing_at_once_is_no_error_while_the_child_writes() -> Result<()> {
    for _ in 0..20 {
        process::open("echo one; echo two >&2; cat").await?.close().await?;
    }
    Ok(())
}

#[anyio::test]
async fn closing_does_not_hang_on_a_child_that_is_stuck_in_a_full_pipe() -> Result<()> {
    let process = process::open("head -c 10000000 /dev/zero").await?;
    let chunk = process.stdout.as_ref().unwrap().receive().await?;
    assert!(chunk.is_some());
    drop(chunk);
    process.close().await?;
    Ok(())
}

#[anyio::test]
async fn a_cancelled_close_ends_the_process() -> Result<()> {
    let process = Command::new("sleep").arg("1000").spawn()?;
    let pid = process.pid();
    assert_eq!(move_on_after(Duration::from_millis(10), process.close()).await?, None);
    assert_eq!(state(pid), None);
    Ok(())
}

#[anyio::test]
async fn a_cancelled_run_leaves_neither_child_nor_grandchild() -> Result<()> {
    let path = temporary_path();
    // The grandchild ignores the polite signal and keeps the outputs open; once with a child that ends, once not.
    for end in ["wait", "exit"] {
        let line = format!(
            "(trap '' TERM; sleep 1000) & echo $$ $! > {0}.new; mv {0}.new {0}; {end}",
            path.display()
        );
        let scope = CancelScope::new();
        let ended = task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                until(|| path.exists()).await?;
                scope.cancel();
                Ok(())
            });
            assert!(scope.run(async || process::run(line.as_str()).await).await?.is_none());
            Ok(())
        })
        .await?;
        assert_eq!(ended, Some(()));
        let numbers = fs::read_to_string(&path)?;
        fs::remove_file(&path)?;
        let (child, grandchild) = numbers.trim().split_once(' ').unwrap();
        assert_eq!(state(child.parse().unwrap()), None, "it is reaped before the cancellation goes on");
        let grandchild = grandchild.parse().unwrap();
        until(|| !is_alive(grandchild)).await?;
    }
    Ok(())
}

#[anyio::test]
async fn a_cancelled_process_may_end_in_peace() -> Result<()> {
    let path = temporary_path();
    let line =
        format!("trap 'echo bye > {}; exit' TERM; echo ready; while :; do sleep 0.01; done", path.display());
    let scope = CancelScope::new();
    let result = scope
        .run(async || {
            process::with(&mut talkative(&line), async |process| {
                line_of(process).await?;
                scope.cancel();
                lowlevel::checkpoint().await.map_err(Error::from)
            })
            .await
        })
        .await?;
    assert_eq!(result, None);
    assert_eq!(fs::read_to_string(&path)?, "bye\n");
    fs::remove_file(path)?;
    Ok(())
}

#[anyio::test]
async fn a_process_that_ignores_the_polite_signal_is_killed_after_its_time() -> Result<()> {
    let mut command = talkative("trap '' TERM; echo ready; while :; do sleep 0.01; done");
    let mut process = command.ending(Signal::SIGTERM, Duration::from_millis(50)).spawn()?;
    line_of(&process).await?;
    let began = Instant::now();
    assert_eq!(process.stop().await?.signal(), Some(libc::SIGKILL));
    assert!(began.elapsed() >= Duration::from_millis(50));
    assert_eq!(process.stop().await?.signal(), Some(libc::SIGKILL));

    let mut command = talkative("trap '' TERM; echo ready; while :; do sleep 0.01; done");
    let mut process = command.ending(Signal::SIGTERM, Duration::ZERO).spawn()?;
    line_of(&process).await?;
    assert_eq!(process.stop().await?.signal(), Some(libc::SIGKILL));
    Ok(())
}

#[anyio::test]
async fn a_stopped_process_is_ended_too() -> Result<()> {
    let mut command = Command::new("sleep");
    let mut process = command.arg("1000").ending(Signal::SIGTERM, Duration::from_millis(50)).spawn()?;
    process.send_signal(Signal::SIGSTOP)?;
    let pid = process.pid();
    until(|| state(pid) == Some('T')).await?;
    assert_eq!(process.stop().await?.signal(), Some(libc::SIGKILL));
    Ok(())
}

#[anyio::test]
async fn an_error_of_the_body_ends_the_process() -> Result<()> {
    let pid = Cell::new(0);
    let result = process::with(["sleep", "1000"], async |process| {
        pid.set(process.pid());
        Err::<(), _>(Error::WouldBlock)
    })
    .await;
    assert!(matches!(result, Err(Error::WouldBlock)));
    assert_eq!(state(pid.get()), None);
    Ok(())
}

#[anyio::test]
async fn a_cancelled_scope_starts_no_process() -> Result<()> {
    let path = temporary_path();
    let touch = ["touch", path.to_str().unwrap()];
    let scope = CancelScope::new();
    scope.cancel();
    assert!(scope.run(async || process::run(touch).await).await?.is_none());
    assert!(CancelScope::new().run(async || process::run(["true"]).await).await?.is_some());
    let scope = CancelScope::new();
    scope.cancel();
    assert!(scope.run(async || process::open(touch).await.map(drop)).await?.is_none());
    assert!(!path.exists());
    Ok(())
}

#[anyio::test]
async fn a_dropped_process_is_killed_with_its_group_and_reaped() -> Result<()> {
    let process = talkative("sleep 1000 & echo $!; wait").spawn()?;
    let grandchild: u32 = line_of(&process).await?.parse().unwrap();
    let pid = process.pid();
    drop(process);
    until(|| state(pid).is_none() && !is_alive(grandchild)).await
}

#[anyio::test]
async fn a_dropped_run_kills_its_process() -> Result<()> {
    let path = temporary_path();
    let line = format!("echo $$ > {0}.new; mv {0}.new {0}; sleep 1000", path.display());
    as_completed([async { anyio::Ok(until(|| path.exists()).await?) }], async |mut first| {
        let mut running = Box::pin(process::run(line.as_str()));
        let polled =
            std::future::poll_fn(|cx| std::task::Poll::Ready(running.as_mut().poll(cx).is_pending()));
        assert!(polled.await);
        first.next().await?;
        drop(running);
        anyio::Ok(())
    })
    .await?;
    let pid = fs::read_to_string(&path)?.trim().parse().unwrap();
    fs::remove_file(path)?;
    until(|| state(pid).is_none()).await
}

#[anyio::test]
async fn a_process_that_is_not_to_be_killed_goes_on_and_is_reaped() -> Result<()> {
    let mut command = talkative("echo ready; read line");
    let mut process = command.kill_on_drop(false).spawn()?;
    line_of(&process).await?;
    let (pid, stdin) = (process.pid(), process.stdin.take().unwrap());
    drop(process);
    lowlevel::checkpoint().await?;
    assert!(is_alive(pid));
    stdin.close().await?;
    until(|| state(pid).is_none()).await
}

#[test]
fn a_process_that_outlives_its_run_is_killed_when_it_is_dropped() {
    for backend in [anyio::Backend::Uring, anyio::Backend::Poll] {
        let builder = anyio::Builder::new().backend(backend);
        let process = builder.run(async || Command::new("sleep").arg("1000").spawn()).unwrap().unwrap();
        let pid = process.pid();
        assert!(is_alive(pid));
        drop(process);
        builder.run(async || until(|| state(pid).is_none()).await).unwrap().unwrap();
    }
}
