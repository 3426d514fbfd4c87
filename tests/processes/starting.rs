//! What may keep a process from being started, and what may not.

use anyio::{
    Error, Result, fail_after, fs,
    process::{self, Command},
    sleep, task_group,
};
use std::{
    fs::{File, Permissions},
    io::{ErrorKind, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

const LONG: Duration = Duration::from_secs(60);

/// A program that is open for writing.
fn busy(path: &Path) -> File {
    let mut file = File::options().write(true).create_new(true).mode(0o755).open(path).unwrap();
    file.write_all(b"#!/bin/sh\nexit 0\n").unwrap();
    file
}

fn script(folder: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("script");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path
}

#[anyio::test]
async fn tasks_that_write_programs_and_run_them_do_not_get_in_each_others_way() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    task_group(async |tg| -> Result<()> {
        for number in 0..8 {
            let path = folder.path().join(format!("program{number}"));
            tg.start_soon(async move {
                for _ in 0..40 {
                    fs::write(&path, "#!/bin/sh\nexit 0\n").await?;
                    fs::set_permissions(&path, Permissions::from_mode(0o755)).await?;
                    process::run([&path]).await?;
                    fs::remove_file(&path).await?;
                }
                Ok(())
            });
        }
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_program_that_is_open_for_writing_is_tried_again_until_it_is_closed() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let (path, second) = (folder.path().join("program"), folder.path().join("second"));
    let file = busy(&path);
    fail_after(LONG, async {
        let run = task_group(async |tg| -> Result<()> {
            tg.start_soon(async { process::run([&path]).await.map(drop) });
            sleep(Duration::from_millis(5)).await?;
            drop(file);
            Ok(())
        });
        run.await?;
        anyio::Ok(())
    })
    .await?;
    let file = busy(&second);
    let closer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(5));
        drop(file);
    });
    assert!(Command::new(&second).spawn()?.wait().await?.success());
    closer.join().unwrap();
    Ok(())
}

#[anyio::test]
async fn a_program_that_stays_open_for_writing_is_busy() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program");
    let _file = busy(&path);
    let error = fail_after(LONG, async { anyio::Ok(process::run([&path]).await.unwrap_err()) }).await?;
    assert_eq!(error.kind(), ErrorKind::ExecutableFileBusy);
    assert!(error.to_string().contains("program"), "{error}");
    let error = Command::new(&path).spawn().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ExecutableFileBusy);
    Ok(())
}

#[anyio::test]
async fn a_working_folder_that_cannot_be_entered_is_told_as_such() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let (missing, file) = (folder.path().join("missing"), folder.path().join("file"));
    std::fs::write(&file, "").unwrap();
    for umask in [None, Some(0o22)] {
        for (place, kind) in [(&missing, ErrorKind::NotFound), (&file, ErrorKind::NotADirectory)] {
            let mut command = Command::new("true");
            command.current_dir(place);
            if let Some(mask) = umask {
                command.umask(mask);
            }
            let error = process::run(&mut command).await.unwrap_err();
            assert_eq!(error.kind(), kind);
            let text = error.to_string();
            assert!(text.contains("working folder") && text.contains(place.to_str().unwrap()), "{text}");
        }
    }
    // With a folder that is there it is the program's fault.
    let mut command = Command::new("no-such-program");
    let error = process::run(command.current_dir(folder.path())).await.unwrap_err();
    assert!(error.to_string().contains("no-such-program"), "{error}");
    Ok(())
}

#[anyio::test]
async fn a_script_without_an_interpreter_behaves_the_same_whatever_is_set() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = script(&folder, "echo hello $1\n");
    let mut outcomes = Vec::new();
    for option in 0..5 {
        let mut command = Command::new(&path);
        command.arg("you");
        match option {
            0 => &mut command,
            1 => command.umask(0o22),
            2 => command.start_new_session(true),
            3 => command.current_dir(folder.path()),
            _ => command.env("NAME", "value"),
        };
        let done = process::run(&mut command).await;
        outcomes.push(match done {
            Ok(done) => String::from_utf8(done.stdout.unwrap()).unwrap(),
            Err(Error::Io(error)) => error.kind().to_string(),
            Err(error) => return Err(error),
        });
    }
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
    #[cfg(target_env = "gnu")]
    assert_eq!(outcomes[0], "hello you\n");
    Ok(())
}
