//! Conditions: whoever waits is notified in order, and a notification that is not used goes to the next.

use super::{
    actors::{Actor, Ended},
    property,
};
use anyio::{
    Result,
    sync::{Condition, Lock, LockGuard},
    task_group,
    testing::wait_all_tasks_blocked,
};
use proptest::prelude::*;
use std::collections::{BTreeSet, VecDeque};

#[derive(Debug, Clone, Copy)]
enum Step {
    Begin,
    Notify(usize),
    /// Takes the lock, so that those who are notified have to wait for it, or gives it back.
    Hold(bool),
    Cancel(usize),
    Drop(usize),
    Settle,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Begin),
        3 => (0usize..4).prop_map(Step::Notify),
        2 => any::<bool>().prop_map(Step::Hold),
        2 => (0usize..8).prop_map(Step::Cancel),
        2 => (0usize..8).prop_map(Step::Drop),
        3 => Just(Step::Settle),
    ];
    prop::collection::vec(step, 0..60)
}

/// The same in simple terms.
#[derive(Default)]
struct Model {
    waiting: VecDeque<u32>,
    /// Notified, and not yet seen to go on.
    notified: BTreeSet<u32>,
    gone_on: BTreeSet<u32>,
}

impl Model {
    fn notify(&mut self, count: usize) {
        let count = count.min(self.waiting.len());
        self.notified.extend(self.waiting.drain(..count));
    }

    fn leave(&mut self, number: u32) {
        self.waiting.retain(|&waiting| waiting != number);
    }
}

async fn run(steps: &[Step]) -> Result<()> {
    let (lock, condition) = (&Lock::new(()), &Condition::new());
    let ended: &Ended<()> = &Ended::default();
    let mut model = Model::default();
    let mut gone_on = BTreeSet::new();
    task_group(async |tg| -> Result<()> {
        let mut actors: Vec<Actor> = vec![];
        let mut told: Vec<u32> = vec![];
        let mut held: Option<LockGuard<'_, ()>> = None;
        let mut next = 0;
        let end = [Step::Hold(false), Step::Settle, Step::Notify(usize::MAX), Step::Settle];
        for &step in steps.iter().chain(&end) {
            match step {
                Step::Begin if held.is_none() => {
                    settle(&mut model, &mut told, ended, &mut gone_on, true).await?;
                    let wait = async move {
                        let guard = lock.acquire().await?;
                        drop(condition.wait(guard).await?);
                        Ok(())
                    };
                    actors.push(Actor::start(tg, next, ended, wait));
                    model.waiting.push_back(next);
                    next += 1;
                    settle(&mut model, &mut told, ended, &mut gone_on, true).await?;
                }
                Step::Notify(count) => {
                    // The lock may be on its way to somebody who was notified before.
                    if held.is_none() {
                        settle(&mut model, &mut told, ended, &mut gone_on, true).await?;
                    }
                    match &held {
                        Some(guard) => condition.notify(guard, count),
                        None => condition.notify(&lock.try_acquire()?, count),
                    }
                    model.notify(count);
                }
                Step::Hold(true) if held.is_none() => {
                    settle(&mut model, &mut told, ended, &mut gone_on, true).await?;
                    held = Some(lock.try_acquire()?);
                }
                Step::Hold(false) => held = None,
                Step::Cancel(index) if !actors.is_empty() => {
                    let actor = actors.swap_remove(index % actors.len());
                    actor.scope.cancel();
                    model.leave(actor.number);
                }
                Step::Drop(index) if !actors.is_empty() => {
                    let actor = actors.swap_remove(index % actors.len());
                    actor.drop_wait();
                    told.push(actor.number);
                }
                Step::Settle => {
                    settle(&mut model, &mut told, ended, &mut gone_on, held.is_none()).await?;
                    assert_eq!(condition.statistics().tasks_waiting, model.waiting.len());
                }
                _ => {}
            }
        }
        assert!(model.waiting.is_empty());
        assert!(!lock.locked(), "the lock was lost");
        Ok(())
    })
    .await?;
    Ok(())
}

/// Lets everybody run who can, and compares.
async fn settle(
    model: &mut Model,
    told: &mut Vec<u32>,
    ended: &Ended<()>,
    gone_on: &mut BTreeSet<u32>,
    lock_is_free: bool,
) -> Result<()> {
    wait_all_tasks_blocked().await?;
    gone_on.extend(ended.take().into_iter().filter_map(|(number, woken)| woken.map(|()| number)));
    for number in told.drain(..) {
        model.leave(number);
        if !gone_on.contains(&number) && model.notified.remove(&number) {
            model.notify(1);
        }
    }
    if lock_is_free {
        model.gone_on.append(&mut model.notified);
        assert_eq!(*gone_on, model.gone_on);
    }
    Ok(())
}

property!(conditions_notify_in_order_and_lose_no_notification, steps(), async |steps: &Vec<Step>| {
    run(steps).await
});
