//! Errors of many types in scopes and groups, and groups taken apart.

use anyio::{
    Cancelled, Error, ErrorGroup, TimedOut, fail_after, move_on_after, sleep, sleep_forever, task_group,
};
use std::{error::Error as StdError, fmt, io, time::Duration};

const SHORT: Duration = Duration::from_millis(2);

/// An enum as programs have them.
#[derive(Debug)]
enum Program {
    Any(Error),
    Io(io::Error),
    Own(&'static str),
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::Own(text) => f.write_str(text),
        }
    }
}

impl StdError for Program {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Any(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::Own(_) => None,
        }
    }
}

impl From<Error> for Program {
    fn from(error: Error) -> Self {
        Self::Any(error)
    }
}

impl From<Cancelled> for Program {
    fn from(cancelled: Cancelled) -> Self {
        Self::Any(cancelled.into())
    }
}

impl From<TimedOut> for Program {
    fn from(timed_out: TimedOut) -> Self {
        Self::Any(timed_out.into())
    }
}

impl From<io::Error> for Program {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

type Boxed = Box<dyn StdError + Send + Sync>;

/// The same for each type of error: a child fails, a child and the body are cancelled, and only the failure comes out.
macro_rules! in_a_group {
    ($name:ident, $error:ty, $failure:expr) => {
        #[anyio::test]
        async fn $name() {
            let ended: Result<Option<()>, ErrorGroup<$error>> = task_group(async |tg| {
                tg.start_soon(async {
                    sleep(Duration::from_secs(3600)).await?;
                    Ok(())
                });
                tg.start_soon(async {
                    sleep(SHORT).await?;
                    let failure: $error = $failure;
                    Err::<(), $error>(failure)
                });
                sleep(Duration::from_secs(3600)).await?;
                Ok(())
            })
            .await;
            let only = ended.unwrap_err().into_single().unwrap();
            assert_eq!(only.to_string(), "on purpose");
            let moved_on: Result<Option<()>, $error> =
                move_on_after(SHORT, async { Err(sleep_forever().await.into()) }).await;
            assert!(matches!(moved_on, Ok(None)));
            let nested: Result<Option<()>, Boxed> = move_on_after(SHORT, async {
                let inside: Result<Option<()>, ErrorGroup<$error>> = task_group(async |tg| {
                    tg.start_soon(async { Err::<(), $error>(sleep_forever().await.into()) });
                    Err(sleep_forever().await.into())
                })
                .await;
                let group = inside.unwrap_err();
                assert!(group.is_cancelled());
                Err(group.into())
            })
            .await;
            assert!(matches!(nested, Ok(None)));
        }
    };
}

in_a_group!(groups_of_io_errors, io::Error, io::Error::other("on purpose"));
in_a_group!(groups_of_an_enum, Program, Program::Own("on purpose"));
in_a_group!(groups_of_anyhow_errors, anyhow::Error, anyhow::anyhow!("on purpose"));
in_a_group!(groups_of_boxed_errors, Boxed, "on purpose".into());

#[anyio::test]
async fn time_limits_fail_with_the_programs_own_type() {
    let failed: Result<(), Program> = fail_after(SHORT, async { Err(sleep_forever().await.into()) }).await;
    assert!(matches!(failed, Err(Program::Any(Error::TimedOut(_)))));
    let failed: anyhow::Result<()> = fail_after(SHORT, async { Err(sleep_forever().await.into()) }).await;
    assert!(failed.unwrap_err().is::<TimedOut>());
}

#[anyio::test(ordered = "its errors have their places")]
async fn a_group_is_taken_apart_by_kind() {
    let ended: Result<Option<()>, ErrorGroup<Program>> = task_group(async |tg| {
        tg.start_soon(async { Err::<(), _>(Program::Own("one")) });
        tg.start_soon(async { Err::<(), _>(Program::Io(io::ErrorKind::NotFound.into())) });
        tg.start_soon(async { Err::<(), _>(Program::Own("two")) });
        Ok(())
    })
    .await;
    let group = ended.unwrap_err();
    assert_eq!(group.to_string(), "3 errors, the first: one");
    assert_eq!(group.iter().count(), 3);
    let (found, rest) = group.extract::<io::Error>();
    assert!(matches!(found[..], [Program::Io(_)]));
    let rest = rest.unwrap().handle(|error| match error {
        Program::Own("one") => Ok(()),
        other => Err(other),
    });
    let rest: ErrorGroup<io::Error> = rest.unwrap_err().map(|error| io::Error::other(error.to_string()));
    assert_eq!(rest.into_first().to_string(), "two");
}

#[anyio::test]
async fn a_cancellation_that_a_child_has_put_into_a_group_of_errors_stays_one() -> anyio::Result<()> {
    let ended = task_group(async |tg| -> anyio::Result<()> {
        tg.start_soon(async {
            let cancelled: Error = sleep_forever().await.into();
            // As if it had been collected along with others.
            Err::<(), Error>(ErrorGroup::new([cancelled]).unwrap().into())
        });
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!(ended, Some(()), "no error, and the body's value");
    Ok(())
}
