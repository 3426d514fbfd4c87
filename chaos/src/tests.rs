//! The driver in front of one whose answers the tests give.

use crate::{Action, Chaos, ChaosDriver, Decision, Fault};
use anyio_driver::{
    BufferId, BufferPool, Call, CallKind, Capabilities, Chunk, Completion, CompletionFlags, Driver,
    DriverStatistics, Op, OpKind, Rest, Ruling, Token, Unpark, Unparker, Wait,
};
use std::{
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::Arc,
    time::{Duration, Instant},
};

/// Does nothing but what tests say.
struct Told {
    operations: Vec<(Token, Op)>,
    cancelled: Vec<Token>,
    /// Those that were to be cancelled and were not found.
    unfound: Vec<Token>,
    answers: Vec<Completion>,
    at_once: Option<Completion>,
    waits: Vec<Wait>,
    pool: BufferPool,
}

struct Nobody;

impl Unpark for Nobody {
    fn unpark(&self) {}
}

impl Told {
    fn new() -> Self {
        Self {
            operations: Vec::new(),
            cancelled: Vec::new(),
            unfound: Vec::new(),
            answers: Vec::new(),
            at_once: None,
            waits: Vec::new(),
            pool: BufferPool::new(64),
        }
    }

    fn note_end(&mut self, completion: &Completion) {
        if completion.is_final() {
            self.operations.retain(|(token, _)| *token != completion.token);
        }
    }
}

impl Driver for Told {
    unsafe fn submit(&mut self, token: Token, op: Op) {
        self.operations.push((token, op));
    }

    fn take_answer(&mut self, token: Token) -> Option<Completion> {
        let answer = self.at_once.take_if(|answer| answer.token == token)?;
        self.note_end(&answer);
        Some(answer)
    }

    fn cancel(&mut self, token: Token) {
        self.cancelled.push(token);
        let is_alive = self.operations.iter().any(|(other, _)| *other == token);
        let has_ended = self.answers.iter().any(|answer| answer.token == token && answer.is_final());
        if is_alive && !has_ended {
            self.answers.push(Completion::new(token, -libc::ECANCELED));
        }
    }

    fn cancel_in_vain(&mut self, token: Token) -> bool {
        self.unfound.push(token);
        true
    }

    fn withdraw(&mut self, token: Token, completions: &mut Vec<Completion>) {
        self.cancel(token);
        let (of_it, others) = std::mem::take(&mut self.answers)
            .into_iter()
            .partition::<Vec<_>, _>(|answer| answer.token == token);
        self.answers = others;
        of_it.iter().for_each(|answer| self.note_end(answer));
        completions.extend(of_it);
    }

    fn turn(&mut self, wait: Wait, completions: &mut Vec<Completion>) -> io::Result<()> {
        self.waits.push(wait);
        for answer in std::mem::take(&mut self.answers) {
            self.note_end(&answer);
            completions.push(answer);
        }
        Ok(())
    }

    fn event_source(&mut self) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn rest(&mut self) -> Rest {
        Rest::Until(None)
    }

    fn in_flight(&self) -> usize {
        self.operations.len()
    }

    fn unparker(&self) -> Unparker {
        Unparker::new(Arc::new(Nobody))
    }

    fn take_buffer(&mut self, _buffer: BufferId, _length: usize) -> Chunk {
        self.pool.take()
    }

    fn pool(&self) -> &BufferPool {
        &self.pool
    }

    fn message_pool(&mut self) -> &BufferPool {
        &self.pool
    }

    fn message_buffers_in_use(&self) -> usize {
        0
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { multishot_receive: true, pooled_receive: true, ..Capabilities::default() }
    }

    fn supports(&self, _kind: OpKind) -> bool {
        true
    }

    fn statistics(&self) -> DriverStatistics {
        DriverStatistics::default()
    }
}

fn driver(chaos: &Chaos) -> ChaosDriver<Told> {
    ChaosDriver::new(Told::new(), chaos)
}

fn turn(driver: &mut ChaosDriver<Told>, wait: Wait) -> Vec<Completion> {
    let mut completions = Vec::new();
    driver.turn(wait, &mut completions).unwrap();
    completions
}

const FIRST: Token = Token::new(0, 0);
const SECOND: Token = Token::new(1, 0);

/// Submits what names no memory.
fn submit(driver: &mut ChaosDriver<Told>, token: Token, op: Op) {
    // SAFETY: no memory is named, and nothing is done.
    unsafe { driver.submit(token, op) };
}

#[test]
fn without_chaos_nothing_is_changed() {
    let mut driver = driver(&Chaos::none());
    submit(&mut driver, FIRST, Op::Accept { fd: -1 });
    assert_eq!((driver.in_flight(), turn(&mut driver, Wait::Forever)), (1, vec![]));
    assert_eq!(driver.get_ref().waits, [Wait::Forever]);
    let answer = Completion::new(FIRST, 3);
    driver.driver.answers.push(answer);
    assert_eq!(turn(&mut driver, Wait::Forever), [answer]);
    assert_eq!(driver.in_flight(), 0);
    submit(&mut driver, SECOND, Op::Nop {});
    driver.driver.at_once = Some(Completion::new(SECOND, 0));
    assert_eq!(driver.take_answer(SECOND), Some(Completion::new(SECOND, 0)));
    assert_eq!(driver.in_flight(), 0);
    assert_eq!(driver.report().decisions(), []);
}

#[test]
fn an_operation_fails_that_was_to_and_no_other() {
    let chaos = Chaos::none().fail(OpKind::Open, 2, libc::EMFILE);
    let open = Op::Open { directory: -1, path: std::ptr::null(), flags: 0, mode: 0 };
    let mut driver = driver(&chaos);
    submit(&mut driver, FIRST, open);
    assert_eq!(driver.take_answer(FIRST), None);
    assert!(driver.check().unwrap_err().to_string().contains("open number 2"));
    submit(&mut driver, SECOND, open);
    assert_eq!(driver.get_ref().operations.len(), 1, "it was not submitted");
    assert_eq!(driver.in_flight(), 2);
    assert_eq!(driver.take_answer(SECOND), Some(Completion::new(SECOND, -libc::EMFILE)));
    assert_eq!(driver.in_flight(), 1);
    driver.check().unwrap();
    drop(driver);
    assert_eq!(chaos.report().failures(OpKind::Open, libc::EMFILE), 1);
}

#[test]
fn late_answers_come_in_the_end_and_keep_their_memory() {
    let chaos = Chaos::none().rate(Fault::Late, 1.0).rate(Fault::Scribbled, 1.0);
    let mut driver = driver(&chaos);
    let mut memory = *b"before..";
    let pointer = memory.as_mut_ptr();
    // SAFETY: the memory lives and is only looked at by way of the pointer until the end.
    unsafe { driver.submit(FIRST, Op::Receive { fd: -1, pointer, length: 8, flags: 0 }) };
    // SAFETY: as above; this is the driver's doing.
    unsafe { pointer.copy_from_nonoverlapping(b"received".as_ptr(), 8) };
    driver.driver.answers.push(Completion::new(FIRST, 8));
    assert_eq!(turn(&mut driver, Wait::No), [], "it is late");
    assert_eq!(driver.in_flight(), 1);
    // SAFETY: initialised, and nobody writes.
    assert_ne!(unsafe { *pointer.cast::<[u8; 8]>() }, *b"received");
    assert_eq!(turn(&mut driver, Wait::Forever), [Completion::new(FIRST, 8)], "it does not hang");
    assert_eq!(&memory, b"received");
    assert_eq!(driver.in_flight(), 0);
    driver.check().unwrap();
}

#[test]
fn late_answers_are_overtaken() {
    let chaos = Chaos::none().rule(|submission| {
        Some(if submission.kind == OpKind::Nop { Action::Delay(1) } else { Action::Spare })
    });
    let mut driver = driver(&chaos);
    submit(&mut driver, FIRST, Op::Nop {});
    submit(&mut driver, SECOND, Op::Accept { fd: -1 });
    driver.driver.answers.push(Completion::new(FIRST, 0));
    assert_eq!(turn(&mut driver, Wait::No), []);
    driver.driver.answers.push(Completion::new(SECOND, -libc::EINVAL));
    let order: Vec<Token> = turn(&mut driver, Wait::No).iter().map(|answer| answer.token).collect();
    assert_eq!(order, [FIRST, SECOND], "both at once");
}

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

#[test]
fn a_receive_that_goes_on_ends_without_losing_anything() {
    for seed in 0..20 {
        let chaos = Chaos::none().reseed(seed).rate(Fault::Ended, 1.0);
        let mut driver = driver(&chaos);
        submit(&mut driver, FIRST, Op::ReceiveMultishot { fd: -1 });
        let mut answers = Vec::new();
        // Also several at once, as they are there when the first of them says that it is to end.
        for number in 1..=8 {
            if driver.get_ref().operations.is_empty() {
                break;
            }
            let more = CompletionFlags::MORE | CompletionFlags::BUFFER;
            driver.driver.answers.push(Completion { flags: more, ..Completion::new(FIRST, number) });
            if number % 3 != 1 {
                answers.extend(turn(&mut driver, Wait::Forever));
            }
        }
        answers.extend(turn(&mut driver, Wait::No));
        assert_eq!(driver.in_flight(), 0, "{answers:?}");
        let results: Vec<i32> =
            answers.iter().map(|answer| answer.result).filter(|&result| result > 0).collect();
        assert_eq!(results, (1..=results.len() as i32).collect::<Vec<_>>());
        let (last, before) = answers.split_last().unwrap();
        assert!(last.is_final() && (last.result > 0 || last.result == -libc::ENOBUFS), "{last:?}");
        assert!(before.iter().all(|answer| !answer.is_final()));
        driver.check().unwrap();
    }
}

#[test]
fn operations_are_shortened_before_they_are_submitted() {
    let (one, other) = UnixStream::pair().unwrap();
    let bytes = [7; 100];
    let mut driver = driver(&Chaos::none().rate(Fault::Short, 1.0));
    let send = Op::Send { fd: one.as_raw_fd(), pointer: bytes.as_ptr(), length: 100, flags: 0 };
    // SAFETY: nobody does it, and the memory lives.
    unsafe { driver.submit(FIRST, send) };
    let whole = Op::Receive {
        fd: other.as_raw_fd(),
        pointer: bytes.as_ptr().cast_mut(),
        length: 100,
        flags: libc::MSG_WAITALL,
    };
    // SAFETY: as above.
    unsafe { driver.submit(SECOND, whole) };
    let lengths: Vec<u32> = driver
        .get_ref()
        .operations
        .iter()
        .map(|(_, op)| match op {
            Op::Send { length, .. } | Op::Receive { length, .. } => *length,
            op => panic!("{op:?}"),
        })
        .collect();
    assert!((1..100).contains(&lengths[0]) && lengths[1] == 100, "{lengths:?}");
    let pieces =
        [3, 4, 5].map(|length| libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: length });
    let third = Token::new(2, 0);
    let write = Op::WriteVectored { fd: one.as_raw_fd(), pieces: pieces.as_ptr(), count: 3, offset: None };
    // SAFETY: as above.
    unsafe { driver.submit(third, write) };
    let Op::WriteVectored { pieces, count, .. } = driver.get_ref().operations[2].1 else { panic!() };
    // SAFETY: it is kept as long as the operation.
    let pieces = unsafe { std::slice::from_raw_parts(pieces, count as usize) };
    let total: usize = pieces.iter().map(|piece| piece.iov_len).sum();
    assert!((1..12).contains(&total) && pieces.iter().all(|piece| piece.iov_len > 0), "{total}");
}

/// Which of some operations are refused, by what.
fn refused(chaos: &Chaos) -> Vec<i32> {
    let mut driver = driver(chaos);
    for number in 0..200 {
        submit(&mut driver, Token::new(number, 0), Op::Accept { fd: -1 });
    }
    let mut answers = turn(&mut driver, Wait::Forever);
    answers.sort_by_key(|answer| answer.token.index());
    answers.iter().map(|answer| answer.result).collect()
}

#[test]
fn the_same_seed_does_the_same() {
    let chaos = |seed| Chaos::none().reseed(seed).rate(Fault::Error, 0.2);
    let (one, same, other) = (chaos(1), chaos(1), chaos(2));
    assert_eq!(refused(&one), refused(&same));
    assert_ne!(refused(&one), refused(&other));
    assert_eq!(chaos(1).report().fingerprint(), chaos(2).report().fingerprint(), "nothing has happened");
    let (one, other) = (one.report(), other.report());
    assert_ne!(one.fingerprint(), other.fingerprint());
    assert_eq!(Chaos::none().report().decisions(), []);
}

#[test]
fn only_the_decisions_that_are_named_are_made() {
    let all = Chaos::none().reseed(3).rate(Fault::Error, 0.2);
    refused(&all);
    let decisions = all.report().decisions().to_vec();
    assert!(decisions.len() > 5);
    let some = all.clone().only(decisions[2..4].iter().copied());
    refused(&some);
    assert_eq!(some.report().decisions(), &decisions[2..4]);
    let again: Chaos = some.to_string().parse().unwrap();
    refused(&again);
    assert_eq!(again.report(), some.report());
    assert!("x".parse::<Chaos>().is_err() && "1:Send".parse::<Chaos>().is_err());
}

#[test]
fn a_descriptor_that_nobody_was_told_of_is_closed() {
    let (kept, accepted) = UnixStream::pair().unwrap();
    let mut driver = driver(&Chaos::none().rate(Fault::Late, 1.0));
    submit(&mut driver, FIRST, Op::Accept { fd: -1 });
    let number = std::os::fd::IntoRawFd::into_raw_fd(accepted);
    let answer = Completion { flags: CompletionFlags::DESCRIPTOR, ..Completion::new(FIRST, number) };
    driver.driver.answers.push(answer);
    assert_eq!(turn(&mut driver, Wait::No), []);
    drop(driver);
    assert_eq!(io::Read::read(&mut &kept, &mut [0]).unwrap(), 0, "the other end is closed");
}

#[test]
fn what_a_host_does_not_know_is_refused_as_such() {
    let mut driver = driver(&Chaos::none().without(OpKind::ReceiveMultishot));
    assert!(!driver.supports(OpKind::ReceiveMultishot) && driver.supports(OpKind::Receive));
    assert!(!driver.capabilities().multishot_receive && driver.capabilities().pooled_receive);
    submit(&mut driver, FIRST, Op::ReceiveMultishot { fd: -1 });
    let answer = driver.take_answer(FIRST).unwrap();
    assert_eq!((answer.result, answer.flags), (-libc::EOPNOTSUPP, CompletionFlags::UNSUPPORTED));
}

#[test]
fn decisions_are_noted_when_they_have_an_effect() {
    let chaos = Chaos::none().rate(Fault::LateCancel, 1.0).rate(Fault::Reset, 1.0);
    let mut driver = driver(&chaos);
    submit(&mut driver, FIRST, Op::Accept { fd: -1 });
    driver.driver.answers.push(Completion::new(FIRST, -libc::EMFILE));
    turn(&mut driver, Wait::Forever);
    assert_eq!(driver.report().decisions(), []);
    assert_eq!(driver.check().unwrap_err().0, ["late-cancel", "reset"]);
    submit(&mut driver, FIRST, Op::Accept { fd: -1 });
    driver.cancel(FIRST);
    let expected = Decision { kind: OpKind::Accept.into(), number: 2, fault: Fault::LateCancel };
    assert_eq!(driver.report().decisions(), [expected]);
}

fn on(kind: CallKind) -> Call {
    Call::on(kind, -1)
}

#[test]
fn calls_are_made_unless_something_was_to_happen_to_them() {
    let mut lying = driver(&Chaos::none());
    assert!(lying.capabilities().rules_calls, "it hears of them");
    for &kind in CallKind::ALL {
        assert_eq!(lying.before_call(&on(kind)), Ruling::Make);
        assert_eq!(lying.report().calls(kind), 1);
    }
    assert_eq!(lying.report().decisions(), []);
}

#[test]
fn a_call_fails_that_was_to_and_no_other() {
    let chaos = Chaos::none().fail(CallKind::Bind, 2, libc::EADDRINUSE).fail(CallKind::Close, 1, libc::EIO);
    let mut lying = driver(&chaos);
    assert_eq!(lying.before_call(&on(CallKind::Bind)), Ruling::Make);
    assert_eq!(lying.before_call(&on(CallKind::Listen)), Ruling::Make);
    assert_eq!(lying.before_call(&on(CallKind::Bind)), Ruling::Refuse(libc::EADDRINUSE));
    assert_eq!(lying.check().unwrap_err().0, ["close number 1 (Input/output error (os error 5))"]);
    assert_eq!(lying.before_call(&on(CallKind::Close)), Ruling::MakeAndFail(libc::EIO), "nothing stays open");
    lying.check().unwrap();
    assert_eq!(lying.report().failures(CallKind::Bind, libc::EADDRINUSE), 1);
    assert_eq!(lying.report().failures(OpKind::Accept, libc::EADDRINUSE), 0);
}

#[test]
fn rules_and_rates_name_calls() {
    let (one, _other) = UnixStream::pair().unwrap();
    let chaos = Chaos::none()
        .rule(|submission| (submission.kind == CallKind::SendNow).then_some(Action::Shorten))
        .rate_of(CallKind::MakeSocket, Fault::Error, 1.0)
        .rate_of(CallKind::MakePipe, Fault::Error, 1.0);
    let mut lying = driver(&chaos);
    let send = Call::on(CallKind::SendNow, one.as_raw_fd()).of_length(100);
    assert!(matches!(lying.before_call(&send), Ruling::MakeShorter(1..100)));
    assert_eq!(lying.before_call(&send.of_length(1)), Ruling::Make, "less is nothing");
    let usual = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    assert!(
        matches!(lying.before_call(&on(CallKind::MakeSocket)), Ruling::Refuse(error) if usual.contains(&error))
    );
    assert_eq!(lying.before_call(&on(CallKind::MakePair)), Ruling::Make);
    assert_eq!(lying.check().unwrap_err().0, ["error of pipe"]);
    assert_eq!(lying.report().count_of(CallKind::MakeSocket, Fault::Error), 1);
}

#[test]
fn each_fault_happens_to_the_calls_to_which_it_can() {
    let (one, _other) = UnixStream::pair().unwrap();
    let chaos = Chaos::none()
        .rate(Fault::Short, 0.3)
        .rate(Fault::Interrupted, 0.3)
        .rate(Fault::WouldBlock, 0.3)
        .rate(Fault::Error, 0.1);
    let mut lying = driver(&chaos);
    for _ in 0..500 {
        for &kind in CallKind::ALL {
            let call = Call::on(kind, one.as_raw_fd()).of_length(5000);
            lying.before_call(&if kind == CallKind::ReadCached { call.at(100) } else { call });
        }
    }
    let met = |fault| {
        let met = CallKind::ALL.iter().copied().filter(|kind| lying.report().count_of(*kind, fault) > 0);
        met.collect::<Vec<_>>()
    };
    use CallKind::*;
    assert_eq!(met(Fault::Short), [ReceiveNow, SendNow, SendFile, ReadCached]);
    assert_eq!(met(Fault::Interrupted), [ReceiveNow, SendNow, SendMessageNow, SendFile, ReadCached, Close]);
    assert_eq!(met(Fault::WouldBlock), [ReceiveNow, SendNow, SendMessageNow, SendFile, ReadCached, LookUp]);
    // A socket's close loses nothing.
    let harmless = [ShutDownNow, GetMode, SetMode, Seek, Close];
    assert_eq!(met(Fault::Error).len(), CallKind::ALL.len() - harmless.len());
    assert!(met(Fault::Error).iter().all(|kind| !harmless.contains(kind)));
}

#[test]
fn whoever_tries_again_comes_through() {
    let chaos = Chaos::none().rate(Fault::Interrupted, 1.0);
    let mut lying = driver(&chaos);
    let interrupted = Ruling::Refuse(libc::EINTR);
    let rulings: Vec<_> = (0..8).map(|_| lying.before_call(&on(CallKind::ReceiveNow))).collect();
    let three = [interrupted, interrupted, interrupted, Ruling::Make];
    assert_eq!(rulings, [three, three].concat());
}

#[test]
fn what_is_read_of_memory_ends_where_a_block_does() {
    let chaos = Chaos::none().rate(Fault::Short, 1.0);
    let mut lying = driver(&chaos);
    for offset in [0, 1, 511, 512, 100_000] {
        for _ in 0..50 {
            let read = Call::on(CallKind::ReadCached, -1).of_length(10_000).at(offset);
            match lying.before_call(&read) {
                Ruling::MakeShorter(length) => {
                    assert!((1..10_000).contains(&length));
                    assert_eq!((offset + length as u64) % 512, 0);
                }
                ruling => assert_eq!(ruling, Ruling::Make),
            }
        }
    }
}

#[test]
fn what_was_ruled_is_part_of_the_fingerprint_and_is_made_alone() {
    let chaos = |seed| Chaos::none().reseed(seed).rate(Fault::Error, 0.2);
    let make = |chaos: &Chaos| {
        let mut lying = driver(chaos);
        let rulings = (0..100).map(|_| lying.before_call(&on(CallKind::Bind)));
        rulings.collect::<Vec<_>>()
    };
    let (one, same, other) = (chaos(1), chaos(1), chaos(2));
    let made = make(&one);
    assert_eq!(made, make(&same));
    assert_ne!(made, make(&other));
    assert_eq!(one.report().fingerprint(), same.report().fingerprint());
    assert_ne!(one.report().fingerprint(), other.report().fingerprint());
    let decisions = one.report().decisions().to_vec();
    assert!(decisions.len() > 5 && decisions[0].to_string().starts_with("Bind#"));
    let some = one.clone().only(decisions[1..3].iter().copied());
    assert_eq!(make(&some).iter().filter(|ruling| **ruling != Ruling::Make).count(), 2);
    assert_eq!(some.report().decisions(), &decisions[1..3]);
    let again: Chaos = some.to_string().parse().unwrap();
    make(&again);
    assert_eq!(again.report().decisions(), some.report().decisions());
}

#[test]
fn what_is_slow_is_begun_when_its_time_has_come() {
    let second = Duration::from_secs(1);
    let chaos = Chaos::none().rule(move |submission| {
        (submission.kind == OpKind::Synchronize).then_some(Action::Slow(second * submission.number as u32))
    });
    let mut driver = ChaosDriver::new(Told::new(), &chaos).on_virtual_clock();
    let third = Token::new(2, 0);
    for token in [FIRST, SECOND, third] {
        submit(&mut driver, token, Op::Synchronize { fd: -1, data_only: true });
        assert_eq!(driver.take_answer(token), None);
    }
    assert!(driver.keeps_back(FIRST) && driver.get_ref().operations.is_empty());
    assert_eq!((driver.kept_back(), driver.in_flight()), (Some(second), 3));
    assert_eq!(turn(&mut driver, Wait::No), []);
    driver.note_time(second);
    assert_eq!(turn(&mut driver, Wait::No), []);
    assert_eq!(driver.get_ref().operations.len(), 1);
    assert!(!driver.keeps_back(FIRST) && driver.keeps_back(SECOND));
    assert_eq!((driver.kept_back(), driver.in_flight()), (Some(second), 3));
    driver.driver.answers.push(Completion::new(FIRST, 0));
    assert_eq!(turn(&mut driver, Wait::No), [Completion::new(FIRST, 0)]);
    driver.cancel(SECOND);
    assert_eq!(turn(&mut driver, Wait::No), [Completion::new(SECOND, -libc::ECANCELED)], "it never began");
    let mut answers = Vec::new();
    driver.withdraw(third, &mut answers);
    assert_eq!(answers, [Completion::new(third, -libc::ECANCELED)]);
    assert_eq!((driver.in_flight(), driver.kept_back()), (0, None));
    assert_eq!((driver.get_ref().cancelled.len(), driver.report().count(Fault::Slow)), (0, 3));
}

#[test]
fn on_the_real_clock_a_turn_does_not_wait_longer_than_what_is_slow() {
    let time = Duration::from_millis(20);
    let chaos = Chaos::none().rule(move |_| Some(Action::Slow(time)));
    let mut driver = driver(&chaos);
    let begun = Instant::now();
    submit(&mut driver, FIRST, Op::Accept { fd: -1 });
    turn(&mut driver, Wait::Forever);
    let Some(Wait::Until(until)) = driver.get_ref().waits.last().copied() else { panic!("it would wait") };
    assert!(until >= begun + time);
    assert!(matches!(driver.rest(), Rest::Until(Some(at)) if at == until));
    std::thread::sleep(time);
    turn(&mut driver, Wait::Forever);
    assert_eq!((driver.get_ref().operations.len(), driver.in_flight()), (1, 1));
    assert_eq!(driver.get_ref().waits.last(), Some(&Wait::Forever));
}

#[test]
fn disks_and_networks_are_slow_by_the_seed() {
    let (least, most) = (Duration::from_secs(1), Duration::from_secs(3));
    let chaos = |seed| Chaos::none().reseed(seed).slow_disk(1.0).slowness(least..=most);
    let times = |chaos: &Chaos| {
        let mut driver = ChaosDriver::new(Told::new(), chaos).on_virtual_clock();
        let mut times = Vec::new();
        for number in 0..20 {
            let token = Token::new(number, 0);
            submit(&mut driver, token, Op::Synchronize { fd: -1, data_only: true });
            times.push(driver.kept_back());
            driver.withdraw(token, &mut Vec::new());
        }
        times
    };
    let some = times(&chaos(1));
    assert!(some.iter().all(|time| time.is_some_and(|time| (least..=most).contains(&time))));
    assert_eq!(some, times(&chaos(1)));
    assert_ne!(some, times(&chaos(2)));
    let mut disk = driver(&chaos(1));
    let refused = |driver: &mut ChaosDriver<Told>, kind| driver.before_call(&on(kind)) != Ruling::Make;
    assert!(refused(&mut disk, CallKind::ReadCached) && !refused(&mut disk, CallKind::SendNow));
    submit(&mut disk, FIRST, Op::Connect { fd: -1, address: std::ptr::null(), length: 0 });
    assert!(!disk.keeps_back(FIRST));
    let mut network = driver(&Chaos::none().slow_network(1.0));
    assert!(refused(&mut network, CallKind::SendFile) && !refused(&mut network, CallKind::ReadCached));
    submit(&mut network, FIRST, Op::Connect { fd: -1, address: std::ptr::null(), length: 0 });
    assert!(network.keeps_back(FIRST));
    disk.check().unwrap();
}
