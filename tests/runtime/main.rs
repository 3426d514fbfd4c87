//! Runs: their beginning and end, clocks, threads and cores, and what other executors and threads do with them.

#![allow(clippy::incompatible_msrv, reason = "tests are built with a current compiler")]

mod attributes;
#[path = "../peers/busy_host.rs"]
mod busy_host;
#[cfg(feature = "chaos")]
mod chaos;
mod core_calls;
mod cores;
mod cross;
mod deadlock;
mod from_thread;
mod given_up_calls;
mod hostile_wakers;
mod hosts;
mod lowlevel;
#[path = "../peers/mod.rs"]
mod peers;
mod portals;
#[path = "../peers/processor_time.rs"]
mod processor_time;
mod random_times;
mod readiness;
mod ring_options;
mod run;
mod slow_systems;
mod time;
mod to_thread;
mod virtual_clock;
mod wakers;
