//! What this host offers, and what anyio makes of it.
//!
//! For the questions "why is io_uring not used here?" and "what would make it faster?". [`examine`] looks, and printing
//! the [`HostReport`] tells people:
//!
//! ```
//! let report = anyio::doctor::examine();
//! println!("{report}");
//! assert!(report.choice.is_ok(), "each host has one back end at least");
//! ```

use crate::{
    lowlevel::RunStatistics,
    running::Builder,
    runtime::{
        Backend, Core,
        backend::{Options, choice, poll, uring},
    },
};
use std::{fmt, io};

pub use crate::runtime::backend::{BackendReport, Feature};

#[cfg(target_os = "linux")]
#[path = "doctor/linux.rs"]
mod host;
#[cfg(not(target_os = "linux"))]
#[path = "doctor/other.rs"]
mod host;
mod limits;
mod system;

/// What a host offers.
#[derive(Debug)]
#[non_exhaustive]
pub struct HostReport {
    /// The operating system's name, its release and the kind of machine.
    pub system: String,
    /// Limits of this process and settings of the host that concern back ends.
    pub settings: Vec<Setting>,
    /// What there is of io_uring.
    pub uring: BackendReport,
    /// What there is for polling.
    pub poll: BackendReport,
    /// What a run gets that does not name its back end itself, or why it fails.
    pub choice: io::Result<Choice>,
    /// How the run stands in which this was asked, if it was asked in one. What is counted there tells which of its
    /// [options](Builder) would help: see [`RunStatistics`].
    pub run: Option<RunStatistics>,
}

/// A limit or a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// What it is, with the unit, in words.
    pub value: String,
}

/// Which back end runs, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Choice {
    /// [`Backend::Uring`] or [`Backend::Poll`].
    pub backend: Backend,
    /// Why this one.
    pub reason: String,
}

/// Looks what this host offers to this process, with the default options of [`Builder`].
///
/// Each back end is set up and taken down again to see what it has, and a few files under `/proc` are read where there
/// are such: a blocking call of some hundred microseconds. It works within a run and outside.
pub fn examine() -> HostReport {
    examine_options(&Options::default())
}

/// The same with the options of a program, some of which ask for what not every host has.
///
/// ```
/// let builder = anyio::Builder::new().zero_copy_sends(16 * 1024);
/// println!("{}", anyio::doctor::examine_with(&builder));
/// ```
pub fn examine_with(builder: &Builder) -> HostReport {
    examine_options(builder.options())
}

fn examine_options(options: &Options) -> HostReport {
    let uring = uring::examine(options);
    let poll = poll::examine(options);
    let choice = choice::from_environment().and_then(|named| choose(named, &uring, &poll));
    let run = Core::try_with(RunStatistics::of);
    HostReport { system: system::name(), settings: host::settings(), uring, poll, choice, run }
}

/// What a run would get, by the same rules as [`choice::open`].
fn choose(named: Option<Backend>, uring: &BackendReport, poll: &BackendReport) -> io::Result<Choice> {
    let named_so = || format!("{} names it", choice::VARIABLE);
    let chosen = |backend, reason| Ok(Choice { backend, reason });
    match (named.unwrap_or_default(), &uring.refusal, &poll.refusal) {
        (Backend::Auto, None, _) => chosen(Backend::Uring, "io_uring offers all that is needed".to_owned()),
        (Backend::Auto, Some(cause), None) => chosen(Backend::Poll, cause.to_string()),
        (Backend::Auto, Some(cause), Some(error)) => {
            Err(io::Error::new(error.kind(), choice::neither(error, cause)))
        }
        (Backend::Uring, None, _) => chosen(Backend::Uring, named_so()),
        (Backend::Poll, _, None) => chosen(Backend::Poll, named_so()),
        (Backend::Uring, Some(error), _) | (Backend::Poll, _, Some(error)) => {
            Err(io::Error::new(error.kind(), format!("{}, but {error}", named_so())))
        }
    }
}

impl fmt::Display for HostReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "system: {}", self.system)?;
        for Setting { name, value } in &self.settings {
            writeln!(f, "    {name}: {value}")?;
        }
        writeln!(f, "{}: {}", Backend::Uring, self.uring)?;
        writeln!(f, "{}: {}", Backend::Poll, self.poll)?;
        match &self.choice {
            Ok(choice) => write!(f, "choice: {choice}")?,
            Err(error) => write!(f, "choice: none, because {error}")?,
        }
        let Some(run) = &self.run else { return Ok(()) };
        let counts = [
            ("receives that found no buffer", run.buffer_shortages),
            ("waits that ended late", run.late_waits),
            ("operations that threads did", run.punted_operations),
            ("sends without a copy", run.zero_copy_sends),
            ("of which the kernel copied", run.zero_copy_copied),
        ];
        write!(f, "\nthis run:")?;
        counts.iter().try_for_each(|(what, count)| write!(f, "\n    {what}: {count}"))
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, because {}", self.backend, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(refusal: Option<&str>) -> BackendReport {
        BackendReport { refusal: refusal.map(io::Error::other), features: Vec::new() }
    }

    fn chosen(named: Option<Backend>, uring: Option<&str>) -> Result<(Backend, String), String> {
        choose(named, &report(uring), &report(None))
            .map(|choice| (choice.backend, choice.reason))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_choice_follows_the_environment_and_the_host() {
        assert_eq!(chosen(None, None).unwrap().0, Backend::Uring);
        assert_eq!(chosen(None, Some("too old")).unwrap(), (Backend::Poll, "too old".to_owned()));
        assert_eq!(chosen(Some(Backend::Poll), None).unwrap().0, Backend::Poll);
        let refused = chosen(Some(Backend::Uring), Some("too old")).unwrap_err();
        assert!(refused.contains("too old") && refused.contains("ANYIO_BACKEND"), "{refused}");
    }

    #[test]
    fn without_any_back_end_both_causes_are_told() {
        let error = choose(None, &report(Some("too old")), &report(Some("no descriptors"))).unwrap_err();
        assert!(error.to_string().contains("too old"), "{error}");
        assert!(error.to_string().contains("no descriptors"), "{error}");
    }

    #[test]
    fn within_a_run_its_counts_are_told() {
        assert!(examine().run.is_none());
        let report = crate::run(async || {
            Core::with(Core::note_buffer_shortage);
            examine()
        });
        assert_eq!(report.run.map(|run| run.buffer_shortages), Some(1));
        assert!(report.to_string().contains("receives that found no buffer: 1"), "{report}");
    }

    #[test]
    fn every_operation_is_in_the_report_of_polling() {
        let text = examine().to_string();
        for name in ["system: ", "RLIMIT_NOFILE: ", "poll: yes", "yes accept", "choice: "] {
            assert!(text.contains(name), "{name} is not in:\n{text}");
        }
    }
}
