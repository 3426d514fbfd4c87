//! Cancellations that come late or find nothing.

use super::*;

#[test]
fn a_cancellation_that_comes_too_late_finds_a_success() {
    let chaos = Chaos::none().rate(Fault::LateCancel, 1.0);
    let mut driver = driver(&chaos);
    submit(&mut driver, FIRST, Op::Accept { fd: -1 });
    submit(&mut driver, SECOND, Op::Accept { fd: -1 });
    driver.cancel(FIRST);
    driver.cancel(SECOND);
    driver.cancel(SECOND);
    assert_eq!(driver.get_ref().cancelled, []);
    let accepted = Completion { flags: CompletionFlags::DESCRIPTOR, ..Completion::new(FIRST, 1_000_000) };
    driver.driver.answers.push(accepted);
    let mut answers = turn(&mut driver, Wait::Forever);
    answers.extend(turn(&mut driver, Wait::Forever));
    assert_eq!(answers, [accepted, Completion::new(SECOND, -libc::ECANCELED)]);
    let cancelled = driver.get_ref().cancelled.iter().filter(|token| **token == SECOND);
    assert_eq!((cancelled.count(), driver.in_flight()), (1, 0), "never lost, and once");
}

#[test]
fn a_cancellation_that_comes_too_late_is_not_for_what_has_the_name_next() {
    let mut driver = driver(&Chaos::none().rate(Fault::LateCancel, 1.0));
    // Each comes later by another number of turns.
    for _ in 0..8 {
        submit(&mut driver, FIRST, Op::Accept { fd: -1 });
        driver.cancel(FIRST);
        let answer = Completion::new(FIRST, 3);
        driver.driver.answers = vec![answer];
        assert_eq!(turn(&mut driver, Wait::No), [answer]);
        driver.driver.cancelled.clear();
        submit(&mut driver, FIRST, Op::Accept { fd: -1 });
        for _ in 0..20 {
            assert_eq!(turn(&mut driver, Wait::No), []);
        }
        assert_eq!(driver.get_ref().cancelled, []);
        driver.driver.answers.push(answer);
        assert_eq!(turn(&mut driver, Wait::No), [answer]);
    }
}

#[test]
fn what_is_withdrawn_is_known_at_once_unless_a_thread_has_it() {
    let chaos = Chaos::none().rate(Fault::SlowCancel, 1.0).rate(Fault::Late, 1.0);
    let mut driver = driver(&chaos);
    submit(&mut driver, FIRST, Op::Accept { fd: -1 });
    submit(&mut driver, SECOND, Op::Synchronize { fd: -1, data_only: true });
    let mut answers = Vec::new();
    driver.withdraw(FIRST, &mut answers);
    assert_eq!(answers, [Completion::new(FIRST, -libc::ECANCELED)]);
    answers.clear();
    driver.withdraw(SECOND, &mut answers);
    assert_eq!((answers.len(), driver.in_flight()), (0, 1));
    let mut answers = turn(&mut driver, Wait::Forever);
    answers.extend(turn(&mut driver, Wait::Forever));
    assert_eq!(answers, [Completion::new(SECOND, -libc::ECANCELED)]);
}

#[test]
fn a_cancellation_does_not_find_what_it_is_for() {
    let mut driver = driver(&Chaos::none().rate(Fault::UnfoundCancel, 1.0));
    submit(&mut driver, FIRST, Op::Accept { fd: -1 });
    driver.cancel(FIRST);
    driver.cancel(FIRST);
    let Told { cancelled, unfound, .. } = driver.get_ref();
    assert_eq!((&**cancelled, &**unfound), (&[][..], &[FIRST][..]));
    driver.check().unwrap();
    driver.driver.answers.push(Completion::new(FIRST, 3));
    assert_eq!(turn(&mut driver, Wait::No), [Completion::new(FIRST, 3)]);
}

#[test]
fn what_is_cancelled_says_that_it_was_interrupted_unless_it_succeeds() {
    let mut driver = driver(&Chaos::none().rate(Fault::InterruptedByCancel, 1.0));
    for token in [FIRST, SECOND] {
        submit(&mut driver, token, Op::Accept { fd: -1 });
    }
    driver.driver.answers.push(Completion::new(SECOND, 3));
    driver.cancel(FIRST);
    driver.cancel(SECOND);
    let expected = [Completion::new(SECOND, 3), Completion::new(FIRST, -libc::EINTR)];
    assert_eq!(turn(&mut driver, Wait::No), expected);
    assert_eq!(driver.report().count(Fault::InterruptedByCancel), 1);
    // What nobody has cancelled is left as it is.
    submit(&mut driver, FIRST, Op::Accept { fd: -1 });
    driver.driver.answers.push(Completion::new(FIRST, -libc::ECANCELED));
    assert_eq!(turn(&mut driver, Wait::No), [Completion::new(FIRST, -libc::ECANCELED)]);
}

#[test]
fn a_late_answer_that_is_withdrawn_is_a_success() {
    let mut driver = driver(&Chaos::none().rate(Fault::Late, 1.0));
    submit(&mut driver, FIRST, Op::Connect { fd: -1, address: std::ptr::null(), length: 0 });
    driver.driver.answers.push(Completion::new(FIRST, 0));
    assert_eq!(turn(&mut driver, Wait::No), []);
    let mut answers = Vec::new();
    driver.withdraw(FIRST, &mut answers);
    assert_eq!((answers, driver.in_flight()), (vec![Completion::new(FIRST, 0)], 0));
}
