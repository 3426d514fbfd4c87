//! Several listeners as one.

use super::{Attribute, AttributeRequest, Attributes, Connections, Listener, closing::all_closed, extra};
use crate::{
    error::{Error, Result},
    group::task_group,
    time::sleep_forever,
};
use std::{
    cell::Cell,
    convert::Infallible,
    future::{Future, poll_fn},
    task::Poll,
};

/// Several listeners as one. For listeners of different kinds see [`BoxedListener`](super::BoxedListener).
///
/// ```
/// use anyio::{Result, net::{TcpListenerOptions, TcpStream}, streams::Listener};
///
/// # anyio::run(async || -> Result<()> {
/// // A name such as "localhost:0" makes one listener for each of its addresses.
/// let listener = TcpListenerOptions::new().bind_all("127.0.0.1:0").await?;
/// for address in listener.listeners().iter().map(|listener| listener.local_addr()) {
///     let _client = TcpStream::connect(address?).await?;
///     let _server = listener.accept().await?;
/// }
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct MultiListener<L> {
    listeners: Vec<L>,
    /// Which one is asked first, so that each has its turn.
    first: Cell<usize>,
}

impl<L> MultiListener<L> {
    /// These listeners as one.
    pub fn new(listeners: impl IntoIterator<Item = L>) -> Self {
        Self { listeners: listeners.into_iter().collect(), first: Cell::new(0) }
    }

    /// The listeners.
    pub fn listeners(&self) -> &[L] {
        &self.listeners
    }

    /// The listeners.
    pub fn into_listeners(self) -> Vec<L> {
        self.listeners
    }

    /// The attribute of each listener that knows it, such as all
    /// [local addresses](crate::net::attribute::LocalAddress). ([`extra`](Attributes::extra) gives that of the first.)
    pub fn extras<A: Attribute>(&self) -> impl Iterator<Item = A::Value>
    where
        L: Attributes,
    {
        self.listeners.iter().filter_map(|listener| extra::<A>(listener))
    }
}

impl<L> MultiListener<MultiListener<L>> {
    /// The listeners of several such as one of their own, in their order.
    pub fn flatten(self) -> MultiListener<L> {
        self.listeners.into_iter().flat_map(MultiListener::into_listeners).collect()
    }
}

impl<L: Listener> Listener for MultiListener<L> {
    type Stream = L::Stream;

    /// Waits for a stream from any of the listeners; they take turns if several have one. Each call makes a future for
    /// each listener, which [`serve`](Listener::serve) does not.
    ///
    /// # Errors
    /// Those of the listeners. With none it waits until the scope is cancelled.
    async fn accept(&self) -> Result<L::Stream> {
        if self.listeners.is_empty() {
            return Err(sleep_forever().await.into());
        }
        let (before, after) = self.listeners.split_at(self.first.get());
        let mut accepting: Vec<_> =
            after.iter().chain(before).map(|listener| Box::pin(listener.accept())).collect();
        poll_fn(|cx| {
            // Those behind the first that is ready are not polled any more, so they have taken nothing.
            for (place, accept) in accepting.iter_mut().enumerate() {
                if let Poll::Ready(accepted) = accept.as_mut().poll(cx) {
                    self.first.set((self.first.get() + place + 1) % self.listeners.len());
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Serves on all listeners at the same time. If one fails for good, all end.
    async fn serve_in<'scope, E, F>(
        &self,
        connections: Connections<'scope, '_, E>,
        handler: impl Fn(L::Stream) -> F + Clone + 'scope,
    ) -> Result<Infallible>
    where
        L::Stream: 'scope,
        E: From<Error> + 'scope,
        F: Future<Output = Result<(), E>> + 'scope,
    {
        let ended = task_group(async |tg| -> Result<Infallible> {
            for listener in &self.listeners {
                tg.start_soon(listener.serve_in(connections.clone(), handler.clone()));
            }
            Err(sleep_forever().await.into())
        })
        .await;
        match ended {
            Ok(Some(never)) => match never {},
            Ok(None) => unreachable!("nobody else cancels this group"),
            Err(group) => Err(group.into_single().unwrap_or_else(Error::from)),
        }
    }

    /// Closes one listener after the other, all of them in any case.
    ///
    /// # Errors
    /// That of the listener that failed to close, or those of all that did as a group.
    async fn close(self) -> Result<()> {
        let mut closed = Vec::with_capacity(self.listeners.len());
        for listener in self.listeners {
            closed.push(listener.close().await);
        }
        all_closed(closed)
    }
}

impl<L> FromIterator<L> for MultiListener<L> {
    fn from_iter<I: IntoIterator<Item = L>>(listeners: I) -> Self {
        Self::new(listeners)
    }
}

/// The attributes of all listeners; of those that several know, the first's.
impl<L: Attributes> Attributes for MultiListener<L> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        for listener in &self.listeners {
            listener.provide(request);
        }
    }
}
