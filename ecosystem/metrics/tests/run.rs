//! The numbers of a run, as a recorder gets them.

use anyio::{Backend, Builder, Result, sleep, sleep_forever, task_group};
use anyio_metrics::RunMetrics;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// What was recorded: name, and the values of labels, by value.
fn record(backend: Backend, main: impl AsyncFnOnce()) -> HashMap<String, f64> {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let make = || RunMetrics::labelled("run", "test").every(Duration::ZERO);
        Builder::new().backend(backend).instrument(make).run(main).unwrap();
    });
    let recorded = snapshotter.snapshot().into_vec().into_iter().map(|(key, _, _, value)| {
        let labels: Vec<&str> = key.key().labels().map(metrics::Label::value).collect();
        assert_eq!(labels[0], "test");
        let name = [key.key().name(), &labels[1..].join(" ")].join(" ").trim_end().to_owned();
        let value = match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(_) => panic!("{name} is no histogram"),
        };
        (name, value)
    });
    recorded.collect()
}

fn on_each_backend(test: impl Fn(Backend)) {
    let chosen = std::env::var("ANYIO_TEST_BACKENDS").unwrap_or_else(|_| "uring,poll".to_owned());
    for (name, backend) in [("uring", Backend::Uring), ("poll", Backend::Poll)] {
        if chosen.contains(name) {
            test(backend);
        }
    }
}

#[test]
fn tasks_and_cancellations_are_counted_by_how_they_come_about() {
    on_each_backend(|backend| {
        let recorded = record(backend, async || {
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {});
                tg.start_soon(async { Err::<(), anyio::Error>(sleep_forever().await.into()) }).cancel();
                Ok(())
            })
            .await
            .unwrap();
            let late = anyio::move_on_after(Duration::from_millis(1), async {
                Err::<(), anyio::Error>(sleep_forever().await.into())
            });
            assert_eq!(late.await.unwrap(), None);
        });
        assert_eq!(recorded["anyio_tasks_started_total"], 4.0);
        assert_eq!(recorded["anyio_tasks_ended_total finished"], 3.0);
        assert_eq!(recorded["anyio_tasks_ended_total cancelled"], 1.0);
        assert_eq!(recorded["anyio_scopes_cancelled_total explicit"], 1.0);
        assert_eq!(recorded["anyio_scopes_cancelled_total deadline"], 1.0);
        assert!(recorded["anyio_turns_total"] >= 1.0);
        assert_eq!(recorded["anyio_tasks"], 0.0, "set as the run ended");
        for name in ["anyio_waits", "anyio_operations_in_flight", "anyio_buffers_in_use"] {
            assert!(recorded.contains_key(name), "{name}");
        }
        for name in
            ["anyio_buffer_shortages_total", "anyio_late_waits_total", "anyio_punted_operations_total"]
        {
            assert!(recorded.contains_key(name), "{name}");
        }
    });
}

#[test]
fn time_is_either_busy_or_waited_and_adds_up() {
    on_each_backend(|backend| {
        let begun = Instant::now();
        let recorded = record(backend, async || {
            std::thread::sleep(Duration::from_millis(20));
            sleep(Duration::from_millis(30)).await.unwrap();
        });
        let all = begun.elapsed().as_micros() as f64;
        let (busy, waiting) =
            (recorded["anyio_busy_microseconds_total"], recorded["anyio_waiting_microseconds_total"]);
        assert!(busy >= 20_000.0, "{busy}");
        assert!(waiting >= 25_000.0, "{waiting}");
        assert!(busy + waiting <= all, "{busy} + {waiting} of {all}");
        assert!((0.0..=1.0).contains(&recorded["anyio_utilisation"]));
    });
}
