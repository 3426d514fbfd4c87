//! Processes that say something.

use anyio::{
    Result,
    process::{self, Command, Process, Stdio},
};

/// A process that says its number, and that of one that it has started, and then does as the line says.
pub(crate) fn talkative(line: &str) -> Command {
    let mut command = Command::shell(line);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

pub(crate) async fn line_of(process: &Process) -> Result<String> {
    let mut line = String::new();
    while !line.ends_with('\n') {
        let chunk = process.stdout.as_ref().unwrap().receive_at_most(1).await?.expect("a line is coming");
        line.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    Ok(line.trim_end().to_string())
}

pub(crate) async fn said(command: &mut Command) -> Result<String> {
    Ok(String::from_utf8(process::run(command).await?.stdout.unwrap()).unwrap().trim_end().to_string())
}
