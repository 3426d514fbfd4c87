//! Spans of tasks and named scopes: `cargo test --features tracing --test structure spans`.

use anyio::{CancelScope, Result, lowlevel, sleep_forever, task_group, to_thread};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
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
    /// Which are entered, the innermost last.
    entered: Vec<u64>,
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
        recorded.entered.push(id.into_u64());
        let tasks =
            recorded.entered.iter().filter(|id| recorded.spans[id]["span"] == "runtime.spawn").count();
        recorded.most_tasks_entered = recorded.most_tasks_entered.max(tasks);
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        let mut recorded = self.0.lock().unwrap();
        assert_eq!(recorded.entered.pop(), Some(id.into_u64()), "spans are left in their order");
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

fn record(main: impl AsyncFnOnce()) -> Recorded {
    let recorder = Recorder::default();
    let ours = |metadata: &Metadata<'_>| {
        metadata.target().starts_with("anyio") || metadata.target().contains("spans")
    };
    let filter = tracing_subscriber::filter::filter_fn(ours);
    let subscriber = Registry::default().with(recorder.clone().with_filter(filter));
    subscriber::with_default(subscriber, || anyio::run(main));
    let mut recorded = recorder.0.lock().unwrap();
    assert!(recorded.entered.is_empty());
    std::mem::take(&mut recorded)
}

fn around<'a>(recorded: &'a Recorded, message: &str) -> &'a [String] {
    let found = recorded.events.iter().find(|(fields, _)| fields["message"] == message);
    &found.unwrap_or_else(|| panic!("{message} was not said: {:?}", recorded.events)).1
}

#[test]
fn a_task_is_within_the_span_in_which_it_was_started() {
    let recorded = record(async || {
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
    });
    assert_eq!(around(&recorded, "main"), ["main"]);
    assert_eq!(around(&recorded, "body"), ["main", "group"]);
    assert_eq!(around(&recorded, "body again"), ["main", "group"]);
    for said in ["first", "second"] {
        assert_eq!(around(&recorded, said), ["main", "group", "request", "child"]);
    }
    assert_eq!(recorded.most_tasks_entered, 1, "a task is left while others are polled");
    assert_eq!(recorded.closed, recorded.spans.len());
    assert!(recorded.spans.values().any(|span| span.get("outcome").is_some_and(|how| how == "Finished")));
}

#[test]
fn threads_that_work_for_a_task_are_within_its_span_and_so_is_what_they_call_back() {
    let recorded = record(async || {
        // A subscriber that is a thread's alone is not the one of others.
        let here = tracing::dispatcher::get_default(Clone::clone);
        let call = move || {
            tracing::dispatcher::with_default(&here, || tracing::info!("in the thread"));
            anyio::from_thread::run(async || tracing::info!("called back")).unwrap();
        };
        let scope = CancelScope::new().named("work");
        scope.run(async || to_thread::run_sync(call).await).await.unwrap();
    });
    assert_eq!(around(&recorded, "in the thread"), ["main", "work"]);
    assert_eq!(around(&recorded, "called back"), ["main", "work"]);
}

#[test]
fn a_cancelled_scope_is_told_of_with_reason_and_place_in_its_span() {
    let recorded = record(async || {
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
    });
    assert_eq!(around(&recorded, "scope cancelled"), ["main", "group", "patient", "patience"]);
    let (fields, _) =
        recorded.events.iter().find(|(fields, _)| fields["message"] == "scope cancelled").unwrap();
    assert_eq!((&*fields["reason"], &*fields["kind"]), ("\"it is late\"", "Explicit"));
    assert!(fields["loc.file"].contains("spans.rs") && fields["loc.line"].parse::<u32>().is_ok());
}
