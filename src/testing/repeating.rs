//! How to run one test again.

use std::{env, thread};

/// The command that runs the test of this thread alone.
pub(super) fn command_of_this_test() -> String {
    let program = env::args().next().unwrap_or_default();
    let test = thread::current().name().filter(|&name| name != "main").map(str::to_owned);
    let test = test.map_or_else(String::new, |test| format!(" --exact '{test}'"));
    format!("'{program}'{test} --include-ignored")
}
