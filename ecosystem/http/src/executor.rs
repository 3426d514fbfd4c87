//! Where hyper starts its own tasks.

use anyio::{
    Error, OnThread, TaskGroup,
    streams::memory::{self, SendStream},
};
use hyper::rt::Executor;
use std::{fmt, future::Future, pin::Pin};

/// Starts hyper's tasks as children of a group. They may borrow what the group's children may.
///
/// ```
/// # use anyio::{Result, net::TcpStream, task_group};
/// use anyio_http::{GroupExecutor, HyperIo};
/// use hyper::{Response, body::Bytes, server::conn::http2, service::service_fn};
/// use http_body_util::Full;
/// use std::cell::Cell;
///
/// async fn serve(stream: TcpStream, requests: &Cell<u32>) -> Result<()> {
///     task_group(async |tg| -> Result<()> {
///         let service = service_fn(|_request| async {
///             requests.set(requests.get() + 1);
///             anyio::Ok(Response::new(Full::new(Bytes::from("hello"))))
///         });
///         let http = http2::Builder::new(GroupExecutor(tg));
///         http.serve_connection(HyperIo::new(stream), service).await.map_err(std::io::Error::other)?;
///         Ok(())
///     })
///     .await?;
///     Ok(())
/// }
/// ```
pub struct GroupExecutor<'scope, 'env, E>(pub &'scope TaskGroup<'scope, 'env, E>);

impl<E> Clone for GroupExecutor<'_, '_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for GroupExecutor<'_, '_, E> {}

impl<'scope, F: Future<Output = ()> + 'scope, E> Executor<F> for GroupExecutor<'scope, '_, E> {
    fn execute(&self, future: F) {
        self.0.start_soon(future);
    }
}

impl<E> fmt::Debug for GroupExecutor<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GroupExecutor").field(self.0).finish()
    }
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Starts tasks that borrow nothing as children of a group, for what demands an executor that borrows nothing either, such
/// as clients that are kept. It is `Send` in name: on another thread it panics.
///
/// ```
/// # use anyio::{Result, task_group};
/// use anyio_http::LocalExecutor;
/// use hyper::rt::Executor;
/// use std::{cell::Cell, rc::Rc};
///
/// # anyio::run(async || -> Result<()> {
/// let done = Rc::new(Cell::new(false));
/// task_group(async |tg| -> Result<()> {
///     let executor = LocalExecutor::in_group(tg);
///     let done = done.clone();
///     executor.execute(async move { done.set(true) });
///     Ok(())
/// })
/// .await?;
/// assert!(done.get());
/// # Ok(()) }).unwrap();
/// ```
///
/// # Panics
/// On another thread than that of the group.
#[derive(Debug, Clone)]
pub struct LocalExecutor(OnThread<SendStream<Task>>);

impl LocalExecutor {
    /// Starts tasks in this group, which does not end before the last clone of this is dropped, or it is cancelled. What
    /// is started after the group's end is dropped.
    pub fn in_group<'scope, E: From<Error> + 'scope>(group: &'scope TaskGroup<'scope, '_, E>) -> Self {
        let (sender, tasks) = memory::channel::<Task>(usize::MAX);
        group.start_soon(async move {
            while let Some(task) = tasks.receive().await? {
                group.start_soon(task);
            }
            Ok::<_, E>(())
        });
        Self(OnThread::new(sender))
    }
}

impl<F: Future<Output = ()> + 'static> Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        // There is always room; without a receiver the group is over, and the task with it.
        if let Err(refused) = self.0.send_nowait(Box::pin(future)) {
            log::debug!("a task was not started since its group is over: {refused}");
        }
    }
}
