//! Limits of this process.
//!
//! # Contract
//! The kernel fills a local record.

use super::Setting;
use std::thread;

/// Limits that there are on each host.
pub(super) fn everywhere() -> Vec<Setting> {
    let processors = match thread::available_parallelism() {
        Ok(count) => count.to_string(),
        Err(error) => format!("not known ({error})"),
    };
    vec![
        Setting { name: "processors for this process", value: processors },
        Setting {
            name: "RLIMIT_NOFILE",
            // SAFETY: the record is valid for writing.
            value: limit("descriptors", |limits| unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, limits) }),
        },
    ]
}

/// A limit in words, as `ask` (a call of `getrlimit`) answers.
pub(super) fn limit(unit: &str, ask: impl FnOnce(&mut libc::rlimit) -> libc::c_int) -> String {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    if ask(&mut limits) != 0 {
        return format!("not known ({})", std::io::Error::last_os_error());
    }
    let words = |limit| {
        if limit == libc::RLIM_INFINITY { "no limit".to_owned() } else { format!("{limit} {unit}") }
    };
    if limits.rlim_cur == limits.rlim_max {
        words(limits.rlim_cur)
    } else {
        format!("{}, can be raised to {}", words(limits.rlim_cur), words(limits.rlim_max))
    }
}
