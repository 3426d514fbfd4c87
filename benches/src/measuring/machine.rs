//! Where and with what the figures were taken.

use std::{collections::BTreeMap, fs, time::SystemTime};

use serde::{Deserialize, Serialize};

/// The report's header.
#[derive(Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) host: String,
    pub(crate) cpu: String,
    pub(crate) processors: usize,
    pub(crate) memory: String,
    pub(crate) kernel: String,
    pub(crate) rust: String,
    pub(crate) profile: String,
    /// What git called the source when this was built.
    pub(crate) revision: String,
    /// Locked versions of the peers and of what the suite itself stands on.
    pub(crate) versions: Vec<String>,
    pub(crate) command_line: String,
    /// The load averages as the run began: an idle machine is near zero.
    pub(crate) load_average: String,
    /// The kernel's word on each processor vulnerability and its mitigation.
    pub(crate) mitigations: BTreeMap<String, String>,
}

impl Machine {
    /// Whether this is the same program on the same machine, whatever it was told to do.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        let identity = |it: &Self| {
            let machine =
                (it.host.clone(), it.cpu.clone(), it.processors, it.memory.clone(), it.kernel.clone());
            (machine, it.rust.clone(), it.profile.clone(), it.revision.clone(), it.mitigations.clone())
        };
        identity(self) == identity(other)
    }

    /// Looks around; what cannot be found out is an empty string.
    pub(crate) fn inspect(packages: &[&str]) -> Self {
        let cpu = labelled("/proc/cpuinfo", "model name");
        Self {
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            host: line("/proc/sys/kernel/hostname"),
            cpu,
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            memory: labelled("/proc/meminfo", "MemTotal"),
            kernel: line("/proc/sys/kernel/osrelease"),
            rust: env!("ANYIO_BENCHES_RUSTC").to_owned(),
            profile: env!("ANYIO_BENCHES_PROFILE").to_owned(),
            revision: env!("ANYIO_BENCHES_REVISION").to_owned(),
            versions: locked_versions(packages),
            command_line: command_line(),
            load_average: line("/proc/loadavg"),
            mitigations: mitigations(),
        }
    }
}

/// As it was typed, but for the folder that the program is in.
fn command_line() -> String {
    let mut words: Vec<_> = std::env::args().collect();
    if let Some(program) = words.first_mut() {
        *program = program.rsplit('/').next().unwrap_or_default().to_owned();
    }
    words.join(" ")
}

fn locked_versions(packages: &[&str]) -> Vec<String> {
    let wanted = |locked: &&str| locked.split_once(' ').is_some_and(|(name, _)| packages.contains(&name));
    env!("ANYIO_BENCHES_LOCKED").split(',').filter(wanted).map(str::to_owned).collect()
}

fn line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn labelled(path: &str, label: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let found = text.lines().find(|line| line.starts_with(label));
    found.and_then(|line| line.split_once(':')).map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

fn mitigations() -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir("/sys/devices/system/cpu/vulnerabilities") else {
        return BTreeMap::new();
    };
    let read = |entry: fs::DirEntry| {
        Some((
            entry.file_name().into_string().ok()?,
            fs::read_to_string(entry.path()).ok()?.trim().to_owned(),
        ))
    };
    entries.flatten().filter_map(read).collect()
}
