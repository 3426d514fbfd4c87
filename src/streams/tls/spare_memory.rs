//! Memory for what is sent, lent to a connection while bytes flow.

use std::cell::RefCell;

/// How much is kept for each thread, at most: so many vectors of no more than so many bytes.
const KEPT: usize = 16;
const LARGEST: usize = 192 * 1024;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty vector, the one that was given back last if there is any.
pub(super) fn take() -> Vec<u8> {
    SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten().unwrap_or_default()
}

/// Gives a vector back.
pub(super) fn give_back(mut memory: Vec<u8>) {
    if memory.capacity() == 0 || memory.capacity() > LARGEST {
        return;
    }
    memory.clear();
    // At the end of the thread it is simply freed.
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() < KEPT {
            spare.push(memory);
        }
    });
}
