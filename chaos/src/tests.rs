//! The driver in front of one whose answers the tests give.

mod calls;
mod cancelling;
mod slow;

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
