//! Who is to be polled.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
};

/// Wakes a task in the name of a part of it that seldom is, so that the task polls that part only then.
#[derive(Default)]
pub(super) struct Calls {
    call: Option<Arc<Call>>,
    /// Of the call.
    waker: Option<Waker>,
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
    /// Whether the part is to be polled, in the task of this context. It is at first, and when that is another task.
    pub(super) fn take(&mut self, cx: &Context<'_>) -> bool {
        match &self.call {
            Some(call) if call.task.will_wake(cx.waker()) => {
                // A store is dear where nothing was stored.
                call.is_made.load(Ordering::Acquire) && call.is_made.swap(false, Ordering::AcqRel)
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
