//! Operations that are slow.

use super::*;

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
    let refused =
        |driver: &mut ChaosDriver<Told>, kind| driver.before_call(&Call::on(kind, -1)) != Ruling::Make;
    assert!(refused(&mut disk, CallKind::ReadCached) && !refused(&mut disk, CallKind::SendNow));
    submit(&mut disk, FIRST, Op::Connect { fd: -1, address: std::ptr::null(), length: 0 });
    assert!(!disk.keeps_back(FIRST));
    let mut network = driver(&Chaos::none().slow_network(1.0));
    assert!(refused(&mut network, CallKind::SendFile) && !refused(&mut network, CallKind::ReadCached));
    submit(&mut network, FIRST, Op::Connect { fd: -1, address: std::ptr::null(), length: 0 });
    assert!(network.keeps_back(FIRST));
    disk.check().unwrap();
}
