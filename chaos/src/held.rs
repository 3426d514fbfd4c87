//! Answers that have come and are not handed out yet.
//!
//! # Contract
//! The memory that an operation fills belongs to it until its final completion is handed out, and then holds what the
//! kernel has put there.

use anyio_driver::Completion;

/// An answer, and when it is handed out.
pub(crate) struct Held {
    pub(crate) completion: Completion,
    /// The turn from which on it may be.
    pub(crate) due: u64,
    scribbled: Option<Scribbled>,
}

struct Scribbled {
    pointer: *mut u8,
    bytes: Box<[u8]>,
}

impl Held {
    pub(crate) fn new(completion: Completion, due: u64) -> Self {
        Self { completion, due, scribbled: None }
    }

    /// Writes over what the operation has filled, until the answer is handed out.
    ///
    /// # Safety
    /// The memory belongs to the operation, of which this is the final answer, and that many bytes of it are filled.
    pub(crate) unsafe fn scribble(&mut self, pointer: *mut u8, filled: usize) {
        // SAFETY: the caller's promise.
        let memory = unsafe { std::slice::from_raw_parts_mut(pointer, filled) };
        self.scribbled = Some(Scribbled { pointer, bytes: memory.to_vec().into() });
        for (place, byte) in memory.iter_mut().enumerate() {
            *byte ^= 0xa5 ^ place as u8;
        }
    }

    /// The answer, with its memory as the kernel has filled it.
    ///
    /// # Safety
    /// The memory still belongs to the operation.
    pub(crate) unsafe fn into_completion(self) -> Completion {
        if let Some(Scribbled { pointer, bytes }) = self.scribbled {
            // SAFETY: the caller's promise; it is as long as it was.
            unsafe { pointer.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        }
        self.completion
    }
}
