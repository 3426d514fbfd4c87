//! Who is to be polled.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
};

/// Wakes a task in the name of one of its parts, so that the task knows whether that part is to be polled.
#[derive(Default)]
pub(super) struct Calls {
    call: Option<Arc<Call>>,
    /// Of the call.
    waker: Option<Waker>,
    /// Whether it is to be polled whoever was woken.
    is_noted: bool,
}

struct Call {
    is_made: AtomicBool,
    task: Waker,
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_made.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl Calls {
    /// Has the part polled.
    pub(super) fn note(&mut self) {
        self.is_noted = true;
    }

    /// Whether the part is to be polled, in the task of this context. It is at first, and when that is another task.
    pub(super) fn take(&mut self, cx: &Context<'_>) -> bool {
        let is_noted = std::mem::take(&mut self.is_noted);
        match &self.call {
            Some(call) if call.task.will_wake(cx.waker()) => {
                // A store is dear where nothing was stored.
                let is_made =
                    call.is_made.load(Ordering::Acquire) && call.is_made.swap(false, Ordering::AcqRel);
                is_noted || is_made
            }
            _ => {
                let call = Arc::new(Call { is_made: AtomicBool::new(false), task: cx.waker().clone() });
                self.waker = Some(Waker::from(call.clone()));
                self.call = Some(call);
                true
            }
        }
    }

    /// What the part is polled with.
    pub(super) fn context(&self) -> Context<'_> {
        Context::from_waker(self.waker.as_ref().unwrap_or(Waker::noop()))
    }
}
