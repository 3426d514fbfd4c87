//! Settings of Linux.

use super::{
    Setting,
    limits::{self, limit},
};
use std::{fs, io};

/// Limits and settings that concern back ends.
pub(super) fn settings() -> Vec<Setting> {
    let mut settings = limits::everywhere();
    settings.extend([
        Setting {
            name: "RLIMIT_MEMLOCK",
            // SAFETY: the record is valid for writing.
            value: limit("bytes", |limits| unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, limits) }),
        },
        Setting {
            name: "kernel.io_uring_disabled",
            value: in_words(fs::read_to_string("/proc/sys/kernel/io_uring_disabled"), disabled),
        },
        Setting {
            name: "seccomp filter",
            value: in_words(fs::read_to_string("/proc/self/status"), |status| {
                filtered(field(status, "Seccomp"))
            }),
        },
    ]);
    settings
}

/// What a file of the kernel says, in words.
fn in_words(contents: io::Result<String>, words: impl FnOnce(&str) -> String) -> String {
    match contents {
        Ok(contents) => words(contents.trim()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => "not known to this kernel".to_owned(),
        Err(error) => format!("not known ({error})"),
    }
}

fn disabled(setting: &str) -> String {
    let meaning = match setting {
        "0" => "everybody may use io_uring",
        "1" => "io_uring is for privileged processes and the group of kernel.io_uring_group",
        "2" => "nobody may use io_uring",
        _ => "an unknown value",
    };
    format!("{setting} ({meaning})")
}

/// A field of a file of lines like `Name: value`.
fn field<'a>(lines: &'a str, name: &str) -> Option<&'a str> {
    lines
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value.trim())
}

fn filtered(mode: Option<&str>) -> String {
    match mode {
        None => "not known to this kernel".to_owned(),
        Some("0") => "none".to_owned(),
        Some("1") => "strict mode".to_owned(),
        Some("2") => "yes; it decides which system calls work".to_owned(),
        Some(mode) => format!("unknown mode {mode}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seccomp_mode_is_found_among_other_fields() {
        let status = "Name:\tcat\nNoNewPrivs:\t0\nSeccomp:\t2\nSeccomp_filters:\t1\n";
        assert!(filtered(field(status, "Seccomp")).starts_with("yes"));
        assert_eq!(filtered(field("Name:\tcat\n", "Seccomp")), "not known to this kernel");
    }

    #[test]
    fn a_missing_file_means_an_older_kernel() {
        assert!(in_words(Err(io::ErrorKind::NotFound.into()), disabled).contains("not known to this kernel"));
        assert!(
            in_words(Err(io::ErrorKind::PermissionDenied.into()), disabled).contains("permission denied")
        );
        assert!(in_words(Ok("2\n".to_owned()), disabled).contains("nobody"));
    }
}
