//! Folder, environment, user, groups, mask, session and descriptors of a child.

use crate::talking::said;
use crate::temporary::temporary_file;
use anyio::{
    Result,
    process::{self, Command, Stdio},
};
use std::{io::Write, os::fd::AsRawFd};

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
