//! Calls that do not wait.

use super::*;

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
