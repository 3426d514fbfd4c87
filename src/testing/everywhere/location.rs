//! Where in the program an await is.

use std::backtrace::Backtrace;

/// Crates whose functions stand between an await of the program and the checkpoint that it comes to.
const BETWEEN: [&str; 8] =
    ["anyio", "alloc", "backtrace_rs", "core", "futures_core", "futures_util", "futures_lite", "std"];

/// The innermost function of the program in which the checkpoint was reached, with file and line where these are known.
pub(super) fn place_of(backtrace: &Backtrace) -> String {
    place_in(&backtrace.to_string()).unwrap_or_else(|| "unknown (the program has no symbols)".to_owned())
}

fn place_in(backtrace: &str) -> Option<String> {
    let mut lines = backtrace.lines().map(str::trim_start).peekable();
    // Functions that were put into their callers may have lost their paths: nobody knows whose they are.
    let mut of_somebody = None;
    while let Some(line) = lines.next() {
        let place = lines.peek().and_then(|next| next.strip_prefix("at "));
        let Some(function) = function_in(line) else { continue };
        match owner_of(function) {
            Owner::Program => return Some(described(function, place)),
            Owner::Unknown => of_somebody = of_somebody.or_else(|| Some(described(function, place))),
            Owner::Between => {}
        }
    }
    of_somebody
}

fn described(function: &str, place: Option<&str>) -> String {
    match place {
        Some(place) => format!("{} (in {function})", place.trim_start_matches("./")),
        None => format!("in {function}; with debug information the line would be known"),
    }
}

/// The function of a line such as `12: tests::transfer::{{closure}}`.
fn function_in(line: &str) -> Option<&str> {
    let (number, function) = line.split_once(": ")?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then_some(function.trim())
}

/// Whose a function is.
enum Owner {
    Program,
    /// Of what stands between the program and the checkpoint.
    Between,
    /// Without a path, but with types of somebody.
    Unknown,
}

fn owner_of(function: &str) -> Owner {
    let name = function.trim_start_matches(['<', '&', '*', '(', '[']);
    let name = name.strip_prefix("mut ").or_else(|| name.strip_prefix("dyn ")).unwrap_or(name);
    match name.split_once("::") {
        Some((first, _)) => {
            let first = first.split('[').next().unwrap_or(first);
            match first {
                _ if first.contains(['<', '{']) => Owner::Unknown,
                _ if BETWEEN.contains(&first) => Owner::Between,
                _ => Owner::Program,
            }
        }
        // What has no path is of C, or of the language itself.
        None => Owner::Between,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_frame_of_the_program_is_the_place() {
        let backtrace = "\
   0: std::backtrace_rs::backtrace::trace
             at /rustc/abc/library/std/src/lib.rs:1:1
   1: <anyio::runtime::operation::Operation<P> as core::future::future::Future>::poll
             at ./src/runtime/operation.rs:272:9
   2: <core::pin::Pin<P> as core::future::future::Future>::poll
   3: transfer::both_sides::{{closure}}
             at ./tests/transfer.rs:12:9
   4: transfer::main
";
        assert_eq!(
            place_in(backtrace).as_deref(),
            Some("tests/transfer.rs:12:9 (in transfer::both_sides::{{closure}})")
        );
        let without = "   0: anyio::run\n   1: <&mut transfer::Both as core::future::future::Future>::poll\n";
        assert!(
            place_in(without).unwrap().starts_with("in <&mut transfer::Both as"),
            "{:?}",
            place_in(without)
        );
        let inlined = "\
   0: poll_body<transfer::both_sides::{closure_env#0}>
             at ./src/scope/in_scope.rs:73:9
   1: transfer::both_sides::{{closure}}
             at ./tests/transfer.rs:12:9
";
        assert_eq!(
            place_in(inlined).as_deref(),
            Some("tests/transfer.rs:12:9 (in transfer::both_sides::{{closure}})"),
            "what has lost its path is taken only where nothing else is known"
        );
        assert!(
            place_in("0: poll_body<transfer::Both>\n").unwrap().starts_with("in poll_body<transfer::Both>")
        );
        assert_eq!(place_in("   0: main\n   1: __libc_start_main\n"), None);
    }
}
