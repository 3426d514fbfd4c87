//! The attributes of `anyio`: `#[anyio::main]`, `#[anyio::test]`, `#[anyio::functools::lru_cache]` and
//! `#[anyio::functools::cache]`. Use them by way of `anyio`, which exports them.

mod cached_function;
mod function;
mod main_function;
mod options;
#[cfg(doctest)]
mod refused;
mod test_function;

use proc_macro::TokenStream;

/// Makes `async fn main` the program: it is run as by `anyio::run`.
///
/// ```
/// #[anyio::main]
/// async fn main() -> anyio::Result<()> {
///     anyio::sleep(std::time::Duration::from_millis(1)).await?;
///     Ok(())
/// }
/// ```
///
/// The arguments are the options of `anyio::Builder`, with any expression as value except for `backend` and `clock`:
///
/// | argument | meaning |
/// | --- | --- |
/// | `backend = "auto"`, `"uring"` or `"poll"` | `Builder::backend`; otherwise the environment's `ANYIO_BACKEND` counts |
/// | `ring_entries = n` | `Builder::ring_entries` |
/// | `receive_buffers = n` | `Builder::receive_buffers` |
/// | `receive_buffer_size = bytes` | `Builder::receive_buffer_size` |
/// | `spin_us = microseconds` | `Builder::spin` |
/// | `worker_threads = n` | `Builder::worker_threads`; more than 0 |
/// | `teardown_limit_ms = milliseconds` | `Builder::teardown_limit` |
/// | `clock = "virtual"` or `"monotonic"` | `Builder::clock` |
/// | `autojump_threshold_ms = milliseconds` | `Builder::autojump_threshold` |
/// | `deadlock_timeout_ms = milliseconds` | `Builder::deadlock_timeout` |
/// | `cores = n` | `Builder::run_on_cores`: the program runs on that many cores |
///
/// With `cores` the function may take `&anyio::Core`, and gives `()` or a `Result`. When one core fails the others are
/// cancelled; all errors are printed and the process ends with a failure.
///
/// ```
/// #[anyio::main(backend = "poll", cores = 2)]
/// async fn main(core: &anyio::Core) -> anyio::Result<()> {
///     assert!(core.index() < core.count());
///     Ok(())
/// }
/// ```
///
/// # Ctrl-C
/// The first `SIGINT` cancels the program (see `anyio::Builder::handle_interrupt`). If it then ends with that cancellation, as
/// `?` has it, the process dies by the signal and says nothing, as any program does that is interrupted, and shells see status
/// 130. What a program makes of its cancellation otherwise counts: a value is a success, another error is printed.
///
/// # Panics
/// The function panics if the chosen back end cannot be had on this host.
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, function: TokenStream) -> TokenStream {
    main_function::expand(arguments.into(), function.into()).into()
}

/// Makes an `async fn` a test on each back end.
///
/// ```
/// #[anyio::test]
/// async fn sleeping_takes_time() -> anyio::Result<()> {
///     let before = anyio::current_time();
///     anyio::sleep(std::time::Duration::from_millis(2)).await?;
///     assert!(anyio::current_time() > before);
///     Ok(())
/// }
/// ```
///
/// This makes the tests `sleeping_takes_time::uring` and `sleeping_takes_time::poll`, each in a run of its own. The
/// function stays callable. It gives `()`, or a `Result` whose error has `Debug`; an error fails the test. `#[ignore]`,
/// `#[should_panic]` and what other attributes it has go to the tests; lints and documentation stay with the function.
///
/// A test also fails when its run does not end clean: with operations that the kernel did not let go of, with tasks,
/// timers and other waits that are left, or receive buffers that were not given back.
///
/// # Hosts without io_uring
/// There the `uring` tests fail, and say why, so that nobody takes them for passed. The environment variable
/// `ANYIO_TEST_BACKENDS` restricts what is run, as in `ANYIO_TEST_BACKENDS=poll`; names are separated by commas. The
/// other tests then pass without having run.
///
/// # Arguments
/// The options of [`macro@main`] except for `backend` and `cores`, and:
///
/// | argument | meaning |
/// | --- | --- |
/// | `backend = "uring"` or `"poll"` | this back end only |
/// | `backends("uring", "poll")` | these back ends only |
/// | `cancel = "everywhere"` | the test is run once for each of its checkpoints, cancelled exactly there: see `testing::cancel_everywhere` |
/// | `drop = "everywhere"` | the same, and its future is dropped each time that it waits |
/// | `timeout = "everywhere"` | the same, and a deadline passes at each checkpoint, on a virtual clock |
/// | `calm = "reason"` | nothing happens to its operations when the environment asks for chaos: see `testing::chaos` |
/// | `ordered = "reason"` | its tasks are polled in the order in which they were woken when the environment has them shuffled |
///
/// ```
/// # use anyio::{Result, sync::Lock};
/// #[anyio::test(cancel = "everywhere", drop = "everywhere")]
/// async fn nobody_sees_half_a_transfer() -> Result<()> {
///     let accounts = Lock::new((70, 30));
///     let mut both = accounts.acquire().await?;
///     both.0 -= 10;
///     both.1 += 10;
///     drop(both);
///     let both = accounts.acquire().await?;
///     assert_eq!(both.0 + both.1, 100);
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, function: TokenStream) -> TokenStream {
    test_function::expand(arguments.into(), function.into()).into()
}

/// Makes an `async fn` remember the values that it gave last, 128 unless told otherwise. Each run has a cache of its own.
///
/// ```
/// use anyio::{Result, functools::lru_cache};
///
/// #[lru_cache(max_size = 1000, ttl_ms = 60_000)]
/// async fn name_of(id: u32) -> Result<String> {
///     anyio::lowlevel::checkpoint().await?;
///     Ok(format!("user {id}"))
/// }
///
/// anyio::run(async || -> Result<()> {
///     assert_eq!(name_of(7).await?, "user 7");
///     assert_eq!(name_of(7).await?, "user 7");
///     assert_eq!(name_of_cache().info().hits, 1);
///     name_of_cache().clear();
///     Ok(())
/// })?;
/// # anyio::Ok(())
/// ```
///
/// The function has arguments of types that own what they hold and are `Clone`, `Eq` and `Hash`, and gives a `Result` with a
/// value that is `Clone`; its error type can be made of a cancellation. Beside it there is a function `NAME_cache`, which
/// gives the [`Cache`](../anyio/functools/struct.Cache.html) of the current run and panics outside of one.
///
/// # Arguments
/// | argument | meaning |
/// | --- | --- |
/// | `max_size = n` or `None` | `Cache::max_size` |
/// | `ttl_ms = milliseconds` | `Cache::ttl` |
/// | `always_checkpoint` | `Cache::always_checkpoint` |
#[proc_macro_attribute]
pub fn lru_cache(arguments: TokenStream, function: TokenStream) -> TokenStream {
    cached_function::expand("lru_cache", arguments.into(), function.into()).into()
}

/// Makes an `async fn` remember all values that it gave: [`macro@lru_cache`] without a limit.
///
/// ```
/// use anyio::{Result, functools::cache};
///
/// #[cache]
/// async fn double(number: u32) -> Result<u32> {
///     Ok(2 * number)
/// }
///
/// assert_eq!(anyio::run(async || double(21).await)?, 42);
/// # anyio::Ok(())
/// ```
#[proc_macro_attribute]
pub fn cache(arguments: TokenStream, function: TokenStream) -> TokenStream {
    cached_function::expand("cache", arguments.into(), function.into()).into()
}
