//! Locks, semaphores and the like: what lets in who came first, as soon as its rule allows.

use super::{
    actors::{Actor, Ended},
    property,
};
use anyio::{
    Result,
    sync::{
        CapacityLimiter, CapacityToken, Lock, LockGuard, ReadGuard, RwLock, Semaphore, SemaphorePermit,
        WriteGuard,
    },
    task_group,
    testing::wait_all_tasks_blocked,
};
use proptest::prelude::*;
use std::collections::{BTreeSet, VecDeque};

/// Something that tasks enter and leave.
trait Gate {
    type Guard<'a>
    where
        Self: 'a;

    async fn enter(&self, number: u32, alone: bool) -> Result<Self::Guard<'_>>;
    fn try_enter(&self, number: u32, alone: bool) -> Result<Self::Guard<'_>>;
    /// How many are inside, and how many wait.
    fn counts(&self) -> (usize, usize);
    /// Changes how many may be inside, if that can be changed.
    fn resize(&self, _places: usize) {}
    fn can_resize(&self) -> bool {
        false
    }
    /// Whether those who need not be alone may all be inside.
    fn is_shared(&self) -> bool {
        false
    }
}

impl Gate for Lock<()> {
    type Guard<'a> = LockGuard<'a, ()>;

    async fn enter(&self, _: u32, _: bool) -> Result<LockGuard<'_, ()>> {
        self.acquire().await
    }

    fn try_enter(&self, _: u32, _: bool) -> Result<LockGuard<'_, ()>> {
        self.try_acquire()
    }

    fn counts(&self) -> (usize, usize) {
        (self.statistics().locked.into(), self.statistics().tasks_waiting)
    }
}

impl Gate for Semaphore {
    type Guard<'a> = SemaphorePermit<'a>;

    async fn enter(&self, _: u32, _: bool) -> Result<SemaphorePermit<'_>> {
        Ok(self.acquire().await?)
    }

    fn try_enter(&self, _: u32, _: bool) -> Result<SemaphorePermit<'_>> {
        self.try_acquire()
    }

    fn counts(&self) -> (usize, usize) {
        (PLACES - self.value(), self.statistics().tasks_waiting)
    }
}

impl Gate for CapacityLimiter {
    type Guard<'a> = CapacityToken<'a>;

    async fn enter(&self, number: u32, _: bool) -> Result<CapacityToken<'_>> {
        self.acquire_on_behalf_of(number).await
    }

    fn try_enter(&self, number: u32, _: bool) -> Result<CapacityToken<'_>> {
        self.try_acquire_on_behalf_of(number)
    }

    fn counts(&self) -> (usize, usize) {
        (self.borrowed_tokens(), self.statistics().tasks_waiting)
    }

    fn resize(&self, places: usize) {
        self.set_total_tokens(places);
    }

    fn can_resize(&self) -> bool {
        true
    }
}

#[expect(dead_code, reason = "guards are only held")]
enum Either<'a> {
    Read(ReadGuard<'a, ()>),
    Write(WriteGuard<'a, ()>),
}

impl Gate for RwLock<()> {
    type Guard<'a> = Either<'a>;

    async fn enter(&self, _: u32, alone: bool) -> Result<Either<'_>> {
        Ok(if alone { Either::Write(self.write().await?) } else { Either::Read(self.read().await?) })
    }

    fn try_enter(&self, _: u32, alone: bool) -> Result<Either<'_>> {
        Ok(if alone { Either::Write(self.try_write()?) } else { Either::Read(self.try_read()?) })
    }

    fn counts(&self) -> (usize, usize) {
        let statistics = self.statistics();
        (statistics.readers + usize::from(statistics.writer), statistics.tasks_waiting)
    }

    fn is_shared(&self) -> bool {
        true
    }
}

/// How many places there are where that is not 1.
const PLACES: usize = 2;

/// The same in simple terms.
struct Model {
    places: usize,
    is_shared: bool,
    /// Who waits, and whether it must be alone.
    queue: VecDeque<(u32, bool)>,
    inside: Vec<(u32, bool)>,
}

impl Model {
    fn has_room(&self, alone: bool) -> bool {
        if self.is_shared {
            let is_quiet = self.inside.iter().all(|&(_, alone)| !alone);
            return if alone { self.inside.is_empty() } else { is_quiet };
        }
        self.inside.len() < self.places
    }

    fn admit(&mut self) {
        while let Some(&(_, alone)) = self.queue.front()
            && self.has_room(alone)
        {
            self.inside.extend(self.queue.pop_front());
        }
    }

    fn arrive(&mut self, number: u32, alone: bool) {
        self.queue.push_back((number, alone));
        self.admit();
    }

    fn leave_queue(&mut self, number: u32) -> bool {
        let before = self.queue.len();
        self.queue.retain(|&(waiting, _)| waiting != number);
        self.admit();
        self.queue.len() < before
    }

    fn leave(&mut self, number: u32) {
        self.inside.retain(|&(inside, _)| inside != number);
        self.admit();
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Begin { alone: bool },
    Try { alone: bool },
    Leave(usize),
    Cancel(usize),
    Drop(usize),
    Resize(usize),
    Settle,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => any::<bool>().prop_map(|alone| Step::Begin { alone }),
        1 => any::<bool>().prop_map(|alone| Step::Try { alone }),
        4 => (0usize..8).prop_map(Step::Leave),
        2 => (0usize..8).prop_map(Step::Cancel),
        2 => (0usize..8).prop_map(Step::Drop),
        1 => (0usize..4).prop_map(Step::Resize),
        3 => Just(Step::Settle),
    ];
    prop::collection::vec(step, 0..60)
}

/// Runs a program on a gate.
async fn run<G: Gate>(gate: &G, places: usize, steps: &[Step]) -> Result<()> {
    let mut model = Model { places, is_shared: gate.is_shared(), queue: VecDeque::new(), inside: Vec::new() };
    let ended: &Ended<G::Guard<'_>> = &Ended::default();
    task_group(async |tg| -> Result<()> {
        let mut actors: Vec<Actor> = vec![];
        // Whoever is inside, until they are told to leave.
        let mut held: Vec<(u32, G::Guard<'_>)> = vec![];
        // Whoever was told to drop their wait and has not run.
        let mut told: Vec<u32> = vec![];
        let mut next = 0;
        let end = [Step::Settle, Step::Resize(usize::MAX), Step::Settle];
        for &step in steps.iter().chain(&end) {
            let mut settles = matches!(step, Step::Settle);
            match step {
                Step::Begin { alone } => {
                    // So that it is known who comes first.
                    settle(gate, &mut model, &mut told, ended, &mut held).await?;
                    let number = next;
                    next += 1;
                    actors.push(Actor::start(tg, number, ended, gate.enter(number, alone)));
                    model.arrive(number, alone);
                    settles = true;
                }
                Step::Try { alone } => {
                    let number = next;
                    next += 1;
                    let may_enter = model.queue.is_empty() && model.has_room(alone);
                    let entered = gate.try_enter(number, alone);
                    assert_eq!(entered.is_ok(), may_enter);
                    if let Ok(guard) = entered {
                        model.inside.push((number, alone));
                        held.push((number, guard));
                    }
                }
                Step::Leave(index) if index < held.len() => {
                    let (number, guard) = held.remove(index);
                    drop(guard);
                    model.leave(number);
                }
                Step::Cancel(index) if !actors.is_empty() => {
                    let actor = actors.swap_remove(index % actors.len());
                    actor.scope.cancel();
                    // Those behind it go ahead when it has run.
                    settles = model.leave_queue(actor.number) && gate.is_shared();
                }
                Step::Drop(index) if !actors.is_empty() => {
                    let actor = actors.swap_remove(index % actors.len());
                    actor.drop_wait();
                    told.push(actor.number);
                    settles = gate.is_shared();
                }
                Step::Resize(places) => {
                    gate.resize(places);
                    if gate.can_resize() {
                        model.places = places;
                        model.admit();
                    }
                }
                _ => {}
            }
            if settles {
                settle(gate, &mut model, &mut told, ended, &mut held).await?;
            }
        }
        while !held.is_empty() {
            for (number, guard) in held.drain(..) {
                drop(guard);
                model.leave(number);
            }
            settle(gate, &mut model, &mut told, ended, &mut held).await?;
        }
        assert_eq!(gate.counts(), (0, 0), "nobody is inside and somebody waits");
        Ok(())
    })
    .await?;
    Ok(())
}

/// Lets everybody run who can, and compares.
async fn settle<'a, G: Gate>(
    gate: &G,
    model: &mut Model,
    told: &mut Vec<u32>,
    ended: &Ended<G::Guard<'a>>,
    held: &mut Vec<(u32, G::Guard<'a>)>,
) -> Result<()> {
    wait_all_tasks_blocked().await?;
    // Those that were cancelled left the model when they were.
    held.extend(ended.take().into_iter().filter_map(|(number, guard)| Some((number, guard?))));
    for number in told.drain(..) {
        // It may have had its turn before it ran, and then has passed that on.
        if !model.leave_queue(number) && held.iter().all(|&(inside, _)| inside != number) {
            model.leave(number);
        }
    }
    let inside: BTreeSet<u32> = held.iter().map(|&(number, _)| number).collect();
    assert_eq!(inside, model.inside.iter().map(|&(number, _)| number).collect());
    assert_eq!(gate.counts(), (model.inside.len(), model.queue.len()));
    Ok(())
}

property!(locks_let_in_who_came_first, steps(), async |steps: &Vec<Step>| {
    run(&Lock::new(()), 1, steps).await
});

property!(locks_for_readers_and_writers_let_in_who_came_first, steps(), async |steps: &Vec<Step>| {
    run(&RwLock::new(()), 0, steps).await
});

property!(semaphores_let_in_who_came_first, steps(), async |steps: &Vec<Step>| {
    run(&Semaphore::new(PLACES), PLACES, steps).await
});

property!(limiters_let_in_who_came_first_whatever_their_size, steps(), async |steps: &Vec<Step>| {
    run(&CapacityLimiter::new(PLACES), PLACES, steps).await
});
