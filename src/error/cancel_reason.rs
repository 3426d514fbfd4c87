//! Why something was cancelled.
//!
//! # Contract
//! A reason is one word, so that scopes stay small and cancelling allocates nothing: a pointer whose lowest bits are free. If
//! they are zero it owns a [`Told`] from a `Box`; otherwise they are a [kind](ReasonKind) and one more, and the rest leads to a
//! [`Location`], which lives for ever.

use std::{cell::RefCell, fmt, panic::Location, ptr::NonNull};

/// What made a scope be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum ReasonKind {
    /// Somebody called one of the scope's `cancel` methods.
    Explicit,
    /// The scope's deadline passed.
    Deadline,
    /// Another task of the group failed.
    SiblingFailed,
    /// The user interrupted the program.
    Interrupt,
    /// The program, or this part of it, is being shut down.
    Shutdown,
    /// The scope was told to [finish](crate::Scope::finish), and the time for that is over, or there was nothing but idle waits.
    Finished,
}

const KINDS: [ReasonKind; 6] = [
    ReasonKind::Explicit,
    ReasonKind::Deadline,
    ReasonKind::SiblingFailed,
    ReasonKind::Interrupt,
    ReasonKind::Shutdown,
    ReasonKind::Finished,
];

/// Why a scope was cancelled: by what kind of event, with which text, and where in the source.
pub struct CancelReason(NonNull<()>);

thread_local! {
    /// Why the last run on this thread was cancelled as a whole, if it was.
    static OF_RUN: RefCell<Option<CancelReason>> = const { RefCell::new(None) };
}

/// Notes why a run was cancelled as a whole that has ended, or that another begins.
pub(crate) fn note_that_of_run(reason: Option<CancelReason>) {
    // At a thread's very end nobody reads it any more.
    let _ = OF_RUN.try_with(|place| place.replace(reason));
}

/// Calls a function with why the last run on this thread was cancelled.
pub(super) fn with_that_of_run<R>(tell: impl FnOnce(Option<&CancelReason>) -> R) -> R {
    let reason = OF_RUN.try_with(|place| place.borrow().clone()).ok().flatten();
    tell(reason.as_ref())
}

/// What does not fit into a pointer.
#[repr(align(8))]
#[derive(Clone)]
struct Told {
    kind: ReasonKind,
    message: Option<Box<str>>,
    location: &'static Location<'static>,
}

/// The bits that are free in the address of a location.
const FREE: usize = align_of::<Location<'static>>() - 1;

const _: () = assert!(align_of::<Told>() > FREE);

// SAFETY: it is a location or a box of what can be sent and shared.
unsafe impl Send for CancelReason {}
// SAFETY: as above.
unsafe impl Sync for CancelReason {}

impl CancelReason {
    /// Allocates only if there is a text.
    pub(crate) fn new(
        kind: ReasonKind,
        message: Option<String>,
        location: &'static Location<'static>,
    ) -> Self {
        let tag = kind as usize + 1;
        if message.is_some() || tag > FREE {
            return Self::told(Told { kind, message: message.map(String::into_boxed_str), location });
        }
        Self(NonNull::from(location).cast::<()>().map_addr(|address| address | tag))
    }

    fn told(told: Told) -> Self {
        Self(NonNull::from(Box::leak(Box::new(told))).cast())
    }

    fn tag(&self) -> usize {
        self.0.addr().get() & FREE
    }

    fn as_told(&self) -> Option<&Told> {
        // SAFETY: without a tag it is one, which this owns: see the contract.
        (self.tag() == 0).then(|| unsafe { self.0.cast().as_ref() })
    }

    /// What kind of event it was.
    pub fn kind(&self) -> ReasonKind {
        match self.as_told() {
            Some(told) => told.kind,
            None => KINDS[self.tag() - 1],
        }
    }

    /// The text that was given, if any.
    pub fn message(&self) -> Option<&str> {
        self.as_told()?.message.as_deref()
    }

    /// Where in the source that was brought about: where `cancel` or `finish` was called, or the time limit was set. For a task that failed
    /// it is the place where that was started; for the body of a group it is a place inside anyio.
    pub fn location(&self) -> &'static Location<'static> {
        match self.as_told() {
            Some(told) => told.location,
            // SAFETY: without its tag the pointer is that of a location: see the contract.
            None => unsafe { &*self.0.as_ptr().map_addr(|address| address & !FREE).cast() },
        }
    }
}

impl Clone for CancelReason {
    fn clone(&self) -> Self {
        match self.as_told() {
            Some(told) => Self::told(told.clone()),
            None => Self(self.0),
        }
    }
}

impl Drop for CancelReason {
    #[inline]
    fn drop(&mut self) {
        if self.tag() == 0 {
            // SAFETY: it came from a box, which this owns: see the contract.
            drop(unsafe { Box::from_raw(self.0.cast::<Told>().as_ptr()) });
        }
    }
}

impl PartialEq for CancelReason {
    fn eq(&self, other: &Self) -> bool {
        (self.kind(), self.message(), self.location()) == (other.kind(), other.message(), other.location())
    }
}

impl Eq for CancelReason {}

impl fmt::Debug for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelReason")
            .field("kind", &self.kind())
            .field("message", &self.message())
            .field("location", &format_args!("{}", self.location()))
            .finish()
    }
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location = self.location();
        match self.kind() {
            ReasonKind::Explicit => write!(f, "cancelled at {location}")?,
            ReasonKind::Deadline => write!(f, "deadline exceeded that was set at {location}")?,
            ReasonKind::SiblingFailed => write!(f, "another task of the group failed: {location}")?,
            ReasonKind::Interrupt => f.write_str("interrupted")?,
            ReasonKind::Shutdown => f.write_str("shut down")?,
            ReasonKind::Finished => write!(f, "told to finish at {location}")?,
        }
        match self.message() {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let here = Location::caller();
        for kind in KINDS {
            for message in [None, Some(String::new()), Some("a text".to_owned())] {
                let reason = CancelReason::new(kind, message.clone(), here);
                for reason in [reason.clone(), reason] {
                    assert_eq!(reason.kind(), kind);
                    assert_eq!(reason.message(), message.as_deref());
                    assert!(std::ptr::eq(reason.location(), here));
                }
            }
        }
    }
}
