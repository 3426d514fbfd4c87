//! Spans of tasks and named scopes, on each back end: `cargo test --package anyio --features tracing --test spans`.

use anyio::{
    Builder, CancelScope, Error, Result, lowlevel, net::UnixStream, sleep, sleep_forever, sync, task_group,
    testing::test_backends, to_thread,
};
use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex},
    thread::{self, ThreadId},
    time::Duration,
};
use tracing::{
    Event, Id, Metadata, Subscriber, field,
    span::{Attributes, Record},
    subscriber,
};
use tracing_subscriber::{
    Registry,
    layer::{Context, Layer, SubscriberExt},
    registry::LookupSpan,
};

#[derive(Default)]
struct Recorded {
    /// The fields of each span, and what has happened to it.
    spans: HashMap<u64, HashMap<String, String>>,
    /// Which are entered on each thread, the innermost last.
    entered: HashMap<ThreadId, Vec<u64>>,
    most_tasks_entered: usize,
    closed: usize,
    /// Of each event its fields, and the names of the spans around it.
    events: Vec<(HashMap<String, String>, Vec<String>)>,
}

struct Visitor<'a>(&'a mut HashMap<String, String>);

impl field::Visit for Visitor<'_> {
    fn record_debug(&mut self, field: &field::Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Recorded>>);

impl Recorded {
    fn name(&self, id: u64) -> String {
        let fields = &self.spans[&id];
        let name = ["scope.name", "task.name"].iter().find_map(|name| fields.get(*name));
        name.or_else(|| fields.get("kind")).unwrap_or(&fields["span"]).trim_matches('"').to_owned()
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        let mut fields = HashMap::from([("span".to_owned(), attributes.metadata().name().to_owned())]);
        attributes.record(&mut Visitor(&mut fields));
        self.0.lock().unwrap().spans.insert(id.into_u64(), fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        values.record(&mut Visitor(self.0.lock().unwrap().spans.get_mut(&id.into_u64()).unwrap()));
    }

    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        let mut recorded = self.0.lock().unwrap();
        recorded.entered.entry(thread::current().id()).or_default().push(id.into_u64());
        let entered = &recorded.entered[&thread::current().id()];
        let tasks = entered.iter().filter(|id| recorded.spans[id]["span"] == "runtime.spawn").count();
        recorded.most_tasks_entered = recorded.most_tasks_entered.max(tasks);
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        let mut recorded = self.0.lock().unwrap();
        let left = recorded.entered.get_mut(&thread::current().id()).and_then(Vec::pop);
        assert_eq!(left, Some(id.into_u64()), "spans are left in their order");
    }

    fn on_close(&self, _: Id, _: Context<'_, S>) {
        self.0.lock().unwrap().closed += 1;
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = HashMap::new();
        event.record(&mut Visitor(&mut fields));
        let ids: Vec<u64> = context
            .event_scope(event)
            .map(|scope| scope.from_root().map(|span| span.id().into_u64()).collect())
            .unwrap_or_default();
        let mut recorded = self.0.lock().unwrap();
        let around = ids.into_iter().map(|id| recorded.name(id)).collect();
        recorded.events.push((fields, around));
    }
}

/// What is recorded of a run on each back end, with the spans and events that are wanted.
fn record_wanted(wanted: fn(&Metadata<'_>) -> bool, main: impl AsyncFn()) -> Vec<Recorded> {
    let record_on = |backend| {
        let recorder = Recorder::default();
        let filter = tracing_subscriber::filter::filter_fn(wanted);
        // For all layers: filters of one remember by thread what another test's subscriber has had them decide.
        let subscriber = Registry::default().with(filter).with(recorder.clone());
        subscriber::with_default(subscriber, || Builder::new().backend(backend).run(&main)).unwrap();
        let mut recorded = recorder.0.lock().unwrap();
        assert!(recorded.entered.values().all(Vec::is_empty));
        assert_eq!(recorded.closed, recorded.spans.len(), "nothing is left open");
        std::mem::take(&mut *recorded)
    };
    test_backends().into_iter().map(record_on).collect()
}

fn record(main: impl AsyncFn()) -> Vec<Recorded> {
    let ours = |metadata: &Metadata<'_>| {
        metadata.target().starts_with("anyio") || metadata.target().contains("spans")
    };
    record_wanted(ours, main)
}

fn around<'a>(recorded: &'a Recorded, message: &str) -> &'a [String] {
    let found = recorded.events.iter().find(|(fields, _)| fields["message"] == message);
    &found.unwrap_or_else(|| panic!("{message} was not said: {:?}", recorded.events)).1
}

#[test]
fn a_task_is_within_the_span_in_which_it_was_started() {
    for recorded in record(async || {
        task_group(async |tg| -> Result<()> {
            let request = tracing::info_span!("request");
            request.in_scope(|| {
                tg.start_soon(async {
                    tracing::info!("first");
                    lowlevel::checkpoint().await.unwrap();
                    tracing::info!("second");
                })
                .set_name("child");
            });
            tracing::info!("body");
            lowlevel::checkpoint().await?;
            tracing::info!("body again");
            Ok(())
        })
        .await
        .unwrap();
        tracing::info!("main");
    }) {
        assert_eq!(around(&recorded, "main"), ["main"]);
        assert_eq!(around(&recorded, "body"), ["main", "group"]);
        assert_eq!(around(&recorded, "body again"), ["main", "group"]);
        for said in ["first", "second"] {
            assert_eq!(around(&recorded, said), ["main", "group", "request", "child"]);
        }
        assert_eq!(recorded.most_tasks_entered, 1, "a task is left while others are polled");
    }
}

#[test]
fn a_span_is_entered_again_after_each_wait_for_the_system() {
    for recorded in record(async || {
        let read_so_far = [(); 3].map(|()| sync::Event::new());
        task_group(async |tg| -> Result<()> {
            let (ours, theirs) = UnixStream::pair()?;
            let read_so_far = &read_so_far;
            let read = async move {
                let mut next = read_so_far.iter();
                while theirs.receive().await?.is_some() {
                    tracing::info!("received");
                    next.next().expect("no more was sent").set();
                    sleep(Duration::from_millis(1)).await?;
                    tracing::info!("slept after it");
                }
                anyio::Ok(())
            };
            tracing::info_span!("connection").in_scope(|| tg.start_soon(read).set_name("reader"));
            let write = async move {
                for it_was_read in read_so_far {
                    ours.send("x").await?;
                    // What is sent together may come together.
                    it_was_read.wait().await?;
                    tracing::info!("sent");
                }
                anyio::Ok(())
            };
            tg.start_soon(write).set_name("writer");
            Ok(())
        })
        .await
        .unwrap();
    }) {
        for (fields, spans) in &recorded.events {
            let expected = match fields["message"].starts_with("sent") {
                true => &["main", "group", "writer"][..],
                false => &["main", "group", "connection", "reader"],
            };
            assert_eq!(spans, expected, "{}", fields["message"]);
        }
        assert_eq!(recorded.events.len(), 9, "{:?}", recorded.events);
        assert_eq!(recorded.most_tasks_entered, 1);
    }
}

#[test]
fn a_span_says_how_its_task_has_ended() {
    for recorded in record(async || {
        let ended = task_group(async |tg| -> Result<()> {
            tg.start_soon(async { anyio::Ok(()) }).set_name("finishes");
            let waits = tg.start_soon(async { Err::<(), _>(Error::from(sleep_forever().await)) });
            waits.set_name("is cancelled");
            lowlevel::checkpoint().await?;
            tg.start_soon(async { Err::<(), _>(Error::EndOfStream) }).set_name("fails");
            Ok(())
        });
        assert!(ended.await.is_err());
        let panics = to_panic();
        assert!(panics.await.is_err());
    }) {
        let outcome = |name: &str| {
            let named = recorded
                .spans
                .values()
                .find(|span| span.get("task.name").is_some_and(|of| of.trim_matches('"') == name));
            named
                .and_then(|span| span.get("outcome"))
                .unwrap_or_else(|| panic!("{name}: {:?}", recorded.spans))
        };
        let outcomes = ["finishes", "is cancelled", "fails", "panics"].map(outcome);
        assert_eq!(outcomes, ["Finished", "Cancelled", "Failed", "Panicked"]);
    }
}

/// A group whose only child panics.
async fn to_panic() -> std::thread::Result<()> {
    let mut group = Box::pin(task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            std::panic::resume_unwind(Box::new("as it was told"));
            #[expect(unreachable_code)]
            anyio::Ok(())
        })
        .set_name("panics");
        Ok(())
    }));
    std::future::poll_fn(|cx| {
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| group.as_mut().poll(cx))) {
            Ok(polled) => polled.map(|_| Ok(())),
            Err(panic) => std::task::Poll::Ready(Err(panic)),
        }
    })
    .await
}

#[test]
fn without_spans_of_tasks_a_task_is_within_that_of_the_program_in_which_it_was_started() {
    let without_tasks = |metadata: &Metadata<'_>| metadata.target().contains("spans");
    for recorded in record_wanted(without_tasks, async || {
        task_group(async |tg| -> Result<()> {
            for number in 0..2 {
                let request = tracing::info_span!("request");
                request.in_scope(|| {
                    tg.start_soon(async move {
                        for _ in 0..3 {
                            sleep(Duration::from_millis(1)).await?;
                            tracing::info!("request {number}");
                        }
                        anyio::Ok(())
                    });
                });
            }
            tracing::info!("body");
            Ok(())
        })
        .await
        .unwrap();
    }) {
        assert_eq!(recorded.events.len(), 7);
        for (fields, spans) in &recorded.events {
            let expected = if fields["message"] == "body" { &[][..] } else { &["request"] };
            assert_eq!(spans, expected, "{}", fields["message"]);
        }
    }
}

#[test]
fn threads_that_work_for_a_task_are_within_its_span_and_so_is_what_they_call_back() {
    for recorded in record(async || {
        // A subscriber that is a thread's alone is not the one of others.
        let here = tracing::dispatcher::get_default(Clone::clone);
        let call = move || {
            tracing::dispatcher::with_default(&here, || tracing::info!("in the thread"));
            anyio::from_thread::run(async || tracing::info!("called back")).unwrap();
        };
        let scope = CancelScope::new().named("work");
        scope.run(async || to_thread::run_sync(call).await).await.unwrap();
    }) {
        assert_eq!(around(&recorded, "in the thread"), ["main", "work"]);
        assert_eq!(around(&recorded, "called back"), ["main", "work"]);
    }
}

#[test]
fn a_cancelled_scope_is_told_of_with_reason_and_place_in_its_span() {
    for recorded in record(async || {
        let scope = CancelScope::new().named("patience");
        task_group(async |tg| -> Result<()> {
            let (inner, outer) = (scope.clone(), scope);
            tg.start_soon(async move {
                inner.run(async || -> Result<()> { Err(sleep_forever().await.into()) }).await
            })
            .set_name("patient");
            lowlevel::checkpoint().await?;
            outer.cancel_because("it is late");
            Ok(())
        })
        .await
        .unwrap();
    }) {
        assert_eq!(around(&recorded, "scope cancelled"), ["main", "group", "patient", "patience"]);
        let (fields, _) =
            recorded.events.iter().find(|(fields, _)| fields["message"] == "scope cancelled").unwrap();
        assert_eq!((&*fields["reason"], &*fields["kind"]), ("\"it is late\"", "Explicit"));
        assert!(fields["loc.file"].contains("spans.rs") && fields["loc.line"].parse::<u32>().is_ok());
    }
}
