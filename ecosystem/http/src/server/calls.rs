//! Who is to be polled.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Wake, Waker},
};

/// How often parts of all tasks of a server were called. As long as it stays the same none of them has to look whether it was
/// called: there it would find memory that it has not used for long.
#[derive(Debug, Clone, Default)]
pub(super) struct CallCount(Arc<AtomicUsize>);

/// Wakes a task in the name of a part of it that seldom is, so that the task polls that part only then.
pub(super) struct Calls<'a> {
    count: &'a CallCount,
    /// What the count was when this last looked.
    seen: usize,
    call: Option<Arc<Call>>,
    /// Of the task.
    task: Waker,
    /// Of the call.
    waker: Waker,
}

struct Call {
    is_made: AtomicBool,
    count: CallCount,
    task: Waker,
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_made.store(true, Ordering::Release);
        self.count.0.fetch_add(1, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl<'a> Calls<'a> {
    pub(super) fn new(count: &'a CallCount) -> Self {
        Self {
            count,
            seen: usize::MAX,
            call: None,
            task: Waker::noop().clone(),
            waker: Waker::noop().clone(),
        }
    }

    /// Whether the part is to be polled, in the task of this context. It is at first, and when that is another task.
    #[inline]
    pub(super) fn take(&mut self, cx: &Context<'_>) -> bool {
        let count = self.count.0.load(Ordering::Acquire);
        if count == self.seen && self.task.will_wake(cx.waker()) { false } else { self.look(count, cx) }
    }

    #[cold]
    fn look(&mut self, count: usize, cx: &Context<'_>) -> bool {
        self.seen = count;
        match &self.call {
            Some(call) if self.task.will_wake(cx.waker()) => call.is_made.swap(false, Ordering::AcqRel),
            _ => {
                self.task = cx.waker().clone();
                let call = Call {
                    is_made: AtomicBool::new(false),
                    count: self.count.clone(),
                    task: self.task.clone(),
                };
                let call = self.call.insert(Arc::new(call));
                self.waker = Waker::from(call.clone());
                true
            }
        }
    }

    /// What the part is polled with.
    pub(super) fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_part_that_was_called_is_polled_and_every_part_at_first_and_in_another_task() {
        let count = CallCount::default();
        let (mut one, mut other) = (Calls::new(&count), Calls::new(&count));
        struct Task;
        impl Wake for Task {
            fn wake(self: Arc<Self>) {}
        }
        // Clones of a clone know each other, wherever the compiler puts their tables.
        let task = Waker::from(Arc::new(Task)).clone();
        let cx = Context::from_waker(&task);
        assert!(one.take(&cx) && other.take(&cx), "at first");
        assert!(!one.take(&cx) && !other.take(&cx));
        one.context().waker().wake_by_ref();
        assert!(!other.take(&cx) && one.take(&cx));
        assert!(!other.take(&cx) && !one.take(&cx));
        let another = Waker::from(Arc::new(Task));
        assert!(one.take(&Context::from_waker(&another)), "in another task");
    }
}
