//! Random programs of sleeps, time limits, shields and children, whose ends a simple model knows to the nanosecond. They run
//! on a virtual clock.

use anyio::{
    Backend, Builder, Clock, Error, Result, current_time, gather, move_on_after, shield, sleep,
    testing::test_backends,
};
use proptest::prelude::*;
use std::{future::Future, pin::Pin, time::Duration};

#[derive(Debug, Clone)]
enum Program {
    Sleep(u64),
    MoveOn(u64, Box<Program>),
    Shield(Box<Program>),
    Sequence(Vec<Program>),
    Together(Vec<Program>),
}

/// Hardly two of them are the same, so it does not matter what comes first of what happens at the same moment.
fn nanoseconds() -> impl Strategy<Value = u64> {
    1u64..(1 << 50)
}

fn program() -> impl Strategy<Value = Program> {
    nanoseconds().prop_map(Program::Sleep).prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            (nanoseconds(), inner.clone()).prop_map(|(limit, body)| Program::MoveOn(limit, body.into())),
            inner.clone().prop_map(|body| Program::Shield(body.into())),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Program::Sequence),
            prop::collection::vec(inner, 1..4).prop_map(Program::Together),
        ]
    })
}

/// When the program ends that begins at `start`, and whether by a cancellation; `deadline` is the earliest that reaches it.
fn model(program: &Program, start: u64, deadline: u64) -> (u64, bool) {
    match program {
        Program::Sleep(_) if deadline <= start => (start, true),
        Program::Sleep(length) if deadline < start + length => (deadline, true),
        Program::Sleep(length) => (start + length, false),
        Program::MoveOn(limit, body) => {
            let (end, cancelled) = model(body, start, deadline.min(start + limit));
            // It absorbs what is its own, unless a scope further out is cancelled by then.
            (end, cancelled && deadline <= end)
        }
        Program::Shield(body) => model(body, start, u64::MAX),
        Program::Sequence(parts) => {
            parts.iter().fold(
                (start, false),
                |(at, cancelled), part| {
                    if cancelled { (at, true) } else { model(part, at, deadline) }
                },
            )
        }
        Program::Together(parts) => parts.iter().fold((start, false), |(end, any), part| {
            let (at, cancelled) = model(part, start, deadline);
            (end.max(at), any || cancelled)
        }),
    }
}

fn go(program: &Program) -> Pin<Box<dyn Future<Output = Result<()>> + '_>> {
    Box::pin(async move {
        match program {
            Program::Sleep(length) => sleep(Duration::from_nanos(*length)).await?,
            Program::MoveOn(limit, body) => {
                move_on_after(Duration::from_nanos(*limit), go(body)).await?;
            }
            Program::Shield(body) => shield(go(body)).await?,
            Program::Sequence(parts) => {
                for part in parts {
                    go(part).await?;
                }
            }
            Program::Together(parts) => {
                gather(parts.iter().map(go)).await?;
            }
        }
        Ok(())
    })
}

/// When the program has ended, and whether by a cancellation.
fn run(backend: Backend, program: &Program) -> (u64, bool) {
    let builder = Builder::new().backend(backend).clock(Clock::Virtual);
    let ended = builder.run(async || {
        let begun = current_time();
        let result = go(program).await;
        ((current_time() - begun).as_nanos() as u64, result)
    });
    let (end, result) = ended.expect("the run comes to its end");
    match result {
        Ok(()) => (end, false),
        Err(Error::Cancelled(_)) => (end, true),
        Err(error) => panic!("no error is expected, but there is {error}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn programs_end_at_the_very_moment_that_the_model_says(program in program(), limit in nanoseconds()) {
        // The outermost limit makes cancellations likely everywhere, and absorbs the last.
        let program = Program::MoveOn(limit, program.into());
        for backend in test_backends() {
            prop_assert_eq!(run(backend, &program), model(&program, 0, u64::MAX));
        }
    }
}
