//! Going through all that can fail.

use super::{Chaos, Kind};
use crate::running::Builder;
use std::io;

/// Runs a program once for each operation, or call of the system, of a kind that it does, and has that one fail: in the first run the first, in
/// the second the second, and so on, until a run ends without having come so far. Gives how many there were.
///
/// `check` is given what each of these runs has come to, with the number of what has failed in it; the last, in which
/// nothing fails, has none. `error` is a number of the operating system's, such as `ENOSPC`. The run may be disturbed in
/// other ways, too: its builder's [`Chaos`](Builder::chaos) is replaced.
///
/// ```
/// use anyio::{Builder, tempfile::TemporaryDirectory, testing::chaos::{OpKind, fail_each}};
///
/// let writes = fail_each(
///     &Builder::new(),
///     OpKind::Write,
///     28, // No space left on device
///     async || {
///         let folder = TemporaryDirectory::new().await?;
///         let path = folder.path().join("settings");
///         path.write_text("all or nothing").await?;
///         path.read_text().await
///     },
///     |failed, result| match failed {
///         Some(_) => assert!(result.is_err()),
///         None => assert_eq!(result.unwrap(), "all or nothing"),
///     },
/// )?;
/// assert_eq!(writes, 1);
/// # anyio::Ok(())
/// ```
///
/// # Errors
/// As for [`Builder::run`].
///
/// # Panics
/// If the program does, or `check`.
pub fn fail_each<T>(
    builder: &Builder,
    kind: impl Into<Kind>,
    error: i32,
    program: impl AsyncFn() -> T,
    mut check: impl FnMut(Option<u64>, T),
) -> io::Result<u64> {
    let kind = kind.into();
    for number in 1.. {
        let chaos = Chaos::none().fail_if_reached(kind, number, error);
        let result = builder.clone().chaos(chaos.clone()).run(async || program().await)?;
        if chaos.report().failures(kind, error) == 0 {
            check(None, result);
            return Ok(number - 1);
        }
        check(Some(number), result);
    }
    unreachable!("a run has an end")
}
