//! All interleavings of programs that return, with whose last one all cores end.

use super::Set;
use crate::cores::mailbox::interleavings::serve;
use anyio_driver::synchronization::{explore, thread};
use std::sync::Arc;

#[test]
fn one_program_is_the_last_to_return_and_all_cores_hear_of_it() {
    explore(3, || {
        let set = Arc::new(Set::new(2));
        let returns = |set: &Set, index| {
            let is_last = set.program_returned(index);
            assert_eq!(serve(&set.members()[index].mailbox), 0);
            is_last
        };
        let other = set.clone();
        let returning = thread::spawn(move || returns(&other, 1));
        let is_last = returns(&set, 0);
        assert!(is_last != returning.join().unwrap());
    });
}
