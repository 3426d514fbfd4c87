//! Calls of the system beside the module through which they are to go.
//!
//! A call of the system is one of a function of `libc`, or one of those of the standard library and `socket2` that do nothing
//! but make or ask a descriptor. Files in which they may be all the same are listed with the reason, one a line:
//! `src/users.rs: no descriptor is involved`.

use crate::modules::Modules;
use std::collections::{BTreeMap, BTreeSet};

/// Ends of paths, and names of methods, that stand for calls of the system, beside all that is in `libc`.
const OTHERS: [&[&str]; 6] = [
    &["SockRef", "from"],
    &["socket2", "Socket", "new"],
    &["socket2", "Socket", "pair"],
    &["io", "pipe"],
    &["net", "UnixStream", "pair"],
    &["try_clone_to_owned"],
];

/// What is wrong, a line for each: calls beside the seam, and files that are listed although they make none.
///
/// # Errors
/// A line of the list that gives no reason.
pub(crate) fn beside(modules: &Modules, seam: &str, list: &str) -> Result<Vec<String>, String> {
    let mut listed = BTreeMap::new();
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.split_once(": ") {
            Some((file, reason)) if !reason.trim().is_empty() => listed.insert(file, reason),
            _ => return Err(format!("no reason is given: {line}")),
        };
    }
    let (mut found, mut met) = (Vec::new(), BTreeSet::new());
    for (index, _) in modules.all() {
        let is_seam = modules.and_those_around(index).any(|around| modules.full_name(around) == seam);
        for (place, path) in modules.called_by(index).filter(|(_, path)| !is_seam && is_of_the_system(path)) {
            let file = place.rsplit_once(':').map_or(place, |(file, _)| file);
            match listed.get_key_value(file) {
                Some((file, _)) => drop(met.insert(*file)),
                None => found.push(format!("{place} calls {} beside {seam}", path.join("::"))),
            }
        }
    }
    let stale = listed.keys().filter(|file| !met.contains(*file));
    found.extend(stale.map(|file| format!("{file} is listed and makes no call of the system")));
    Ok(found)
}

fn is_of_the_system(path: &[String]) -> bool {
    let is_function = |name: &String| name.starts_with(|first: char| first.is_lowercase() || first == '_');
    match path {
        [library, name] if library == "libc" => {
            // What the library of C has as macros.
            is_function(name) && !matches!(&**name, "major" | "minor" | "makedev")
        }
        _ => OTHERS.iter().any(|end| {
            path.len() >= end.len()
                && path[path.len() - end.len()..].iter().zip(*end).all(|(one, other)| one == other)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(source: &str, list: &str) -> Vec<String> {
        beside(&Modules::of_text(source), "crate::calls", list).unwrap()
    }

    #[test]
    fn calls_of_the_system_are_found_wherever_they_are_but_in_the_seam() {
        let source = "
            mod calls { mod sockets { fn f() { unsafe { libc::recv(1) } } } }
            mod a { fn f() { g(unsafe { libc::send(1) }) } }
            mod b { use libc::{c_int, poll}; fn f(x: c_int) { poll(x) } }
            mod c { use socket2::{SockRef, Socket}; fn f() { SockRef::from(x).listen(1); Socket::new(1); } }
            mod d { struct Socket; fn f() { Socket::new(1); libc::iovec { a: f() }; x(libc::EINTR); } }
            mod e { fn f(x: F) { x.try_clone_to_owned() } #[cfg(test)] mod tests { fn f() { libc::pipe(1) } } }";
        let found = wrong(source, "");
        let called: Vec<&str> = found.iter().map(|line| line.split(' ').nth(2).unwrap()).collect();
        assert_eq!(
            called,
            [
                "libc::send",
                "libc::poll",
                "socket2::SockRef::from",
                "socket2::Socket::new",
                "try_clone_to_owned"
            ]
        );
    }

    #[test]
    fn what_is_listed_has_a_reason_and_is_needed() {
        let source = "mod a { fn f() { libc::send(1) } }";
        assert_eq!(wrong(source, "# why\nlib.rs: in a thread\n"), [""; 0]);
        let stale = wrong(source, "lib.rs: in a thread\nother.rs: no more\n");
        assert_eq!(stale, ["other.rs is listed and makes no call of the system"]);
        assert!(beside(&Modules::of_text(source), "crate::calls", "lib.rs:").is_err());
    }
}
