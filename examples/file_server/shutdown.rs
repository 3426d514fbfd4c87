//! Stopping the server on all cores.

use anyio::{
    ReasonKind, RemoteScope, Result, Scope,
    signal::{Signal, SignalReceiver},
};
use std::sync::{Mutex, PoisonError};

/// What is to be cancelled when the server is told to stop, and when it is told so again.
#[derive(Default)]
pub(crate) struct Shutdown {
    /// Accepting connections.
    pub(crate) accepting: Cancellation,
    /// Serving those that there are.
    pub(crate) serving: Cancellation,
}

impl Shutdown {
    /// Waits for signals and passes them on, for ever.
    pub(crate) async fn on_signals(&self, signals: &SignalReceiver) -> Result<()> {
        self.accepting.cancel(signals.receive().await?);
        loop {
            self.serving.cancel(signals.receive().await?);
        }
    }
}

/// A cancellation for scopes on several cores, among them such as come later.
#[derive(Default)]
pub(crate) struct Cancellation(Mutex<(Option<Signal>, Vec<RemoteScope>)>);

impl Cancellation {
    /// Takes in a scope whose body is under way.
    pub(crate) fn reaches(&self, scope: &Scope) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signal) = state.0 {
            scope.cancel_for(ReasonKind::Shutdown, Some(signal.to_string()));
        }
        state.1.push(scope.remote());
    }

    fn cancel(&self, signal: Signal) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = Some(signal);
        for scope in &state.1 {
            scope.cancel_for(ReasonKind::Shutdown, Some(signal.to_string()));
        }
    }
}
