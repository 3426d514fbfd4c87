//! What the borrow checker refuses, each beside the same that works.
//!
//! Children borrow from outside of the group, not from its body:
//!
//! ```
//! anyio::run(async || {
//!     let local = 5;
//!     anyio::task_group(async |tg| -> anyio::Result<()> {
//!         tg.start_soon(async { println!("{local}") });
//!         Ok(())
//!     }).await.unwrap();
//! });
//! ```
//!
//! ```compile_fail,E0373
//! anyio::run(async || {
//!     anyio::task_group(async |tg| -> anyio::Result<()> {
//!         let local = 5;
//!         tg.start_soon(async { println!("{local}") });
//!         Ok(())
//!     }).await.unwrap();
//! });
//! ```
//!
//! ```compile_fail,E0597
//! anyio::run(async || {
//!     anyio::task_group(async |tg| -> anyio::Result<()> {
//!         let local = 5;
//!         let borrowed = &local;
//!         tg.start_soon(async move { println!("{borrowed}") });
//!         Ok(())
//!     }).await.unwrap();
//! });
//! ```
//!
//! What children borrow is not changed while they may run:
//!
//! ```compile_fail,E0506
//! anyio::run(async || {
//!     let mut local = 5;
//!     anyio::task_group(async |tg| -> anyio::Result<()> {
//!         let borrowed = &local;
//!         tg.start_soon(async move { println!("{borrowed}") });
//!         local = 6;
//!         Ok(())
//!     }).await.unwrap();
//! });
//! ```
//!
//! Handles and the group stay within the body:
//!
//! ```compile_fail
//! anyio::run(async || {
//!     let child = anyio::task_group(async |tg| -> anyio::Result<_> {
//!         Ok(tg.start_soon(async {}))
//!     }).await.unwrap();
//! });
//! ```
//!
//! ```compile_fail
//! anyio::run(async || {
//!     let mut outside = None;
//!     anyio::task_group(async |tg| -> anyio::Result<()> {
//!         outside = Some(tg.start_soon(async {}));
//!         Ok(())
//!     }).await.unwrap();
//! });
//! ```
//!
//! ```compile_fail
//! anyio::run(async || {
//!     let mut outside = None;
//!     anyio::task_group(async |tg| -> anyio::Result<()> {
//!         outside = Some(tg);
//!         Ok(())
//!     }).await.unwrap();
//! });
//! ```
//!
//! Nothing of a run goes to other threads but what is made for it:
//!
//! ```
//! fn send<T: Send>(_: T) {}
//! anyio::run(async || {
//!     let scope = anyio::CancelScope::new();
//!     scope.run(async || anyio::Ok(send(scope.remote()))).await.unwrap();
//!     send(anyio::lowlevel::current_token());
//! });
//! ```
//!
//! ```compile_fail,E0277
//! fn send<T: Send>(_: T) {}
//! send(anyio::CancelScope::new());
//! ```
//!
//! ```compile_fail,E0277
//! fn send<T: Send>(_: T) {}
//! send(anyio::sleep(std::time::Duration::ZERO));
//! ```
//!
//! ```compile_fail,E0277
//! fn send<T: Send>(_: T) {}
//! send(anyio::move_on_after(None, async { anyio::Ok(()) }));
//! ```
//!
//! ```compile_fail,E0277
//! fn send<T: Send>(_: T) {}
//! async fn group() {
//!     let _ = anyio::task_group(async |tg| -> anyio::Result<()> {
//!         send(tg.start_soon(async {}));
//!         Ok(())
//!     }).await;
//! }
//! ```
//!
//! ```compile_fail,E0277
//! async fn group() {
//!     let _ = anyio::task_group(async |tg| -> anyio::Result<()> {
//!         std::thread::scope(|threads| {
//!             threads.spawn(|| tg.cancel());
//!         });
//!         Ok(())
//!     }).await;
//! }
//! ```
//!
//! A future in a scope is pinned, so it cannot be moved after it was polled:
//!
//! ```compile_fail,E0277
//! fn unpin<T: Unpin>(_: T) {}
//! unpin(anyio::shield(std::future::ready(())));
//! ```
