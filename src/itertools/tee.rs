//! One stream for several readers.

use crate::{
    error::Result,
    runtime::{drop_each, nothing_to_do},
    streams::{Attributes, ObjectReceiveStream},
    sync::{Event, Semaphore},
};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    rc::Rc,
};

/// One of several readers that each get all items. Made by [`tee`].
///
/// A clone is one more reader, from where this one stands. Readers may be used by different tasks at the same time.
pub struct Tee<S: ObjectReceiveStream> {
    shared: Rc<Shared<S>>,
    reader: usize,
}

struct Shared<S: ObjectReceiveStream> {
    source: RefCell<Option<S>>,
    /// Who has the source. It has no owner, so that readers of one task are different users.
    turn: Semaphore,
    capacity: usize,
    state: RefCell<State<S::Item>>,
    /// Set, and made anew, when there is room again.
    room: RefCell<Rc<Event>>,
    ended: Cell<bool>,
}

struct State<T> {
    /// What some reader has yet to get; shared, because the copies that readers get are made outside of the borrow.
    items: VecDeque<Rc<T>>,
    /// The place of the first of these.
    first: u64,
    /// Where each reader stands; `None` for those that are gone.
    places: Vec<Option<u64>>,
}

impl<T> State<T> {
    /// Takes out what all readers have got, and tells whether that was something. It is for the caller to drop.
    fn take_read(&mut self) -> Vec<Rc<T>> {
        let slowest = self.places.iter().flatten().min().copied();
        let end = self.first + self.items.len() as u64;
        let count = (slowest.unwrap_or(end) - self.first) as usize;
        self.first += count as u64;
        self.items.drain(..count).collect()
    }
}

/// Makes of one stream `count` readers that each get all items. What the slowest has yet to get is kept, up to `capacity`
/// items; then the others wait for it. With `usize::MAX` they never do. A reader that is dropped holds nobody up.
///
/// ```
/// use anyio::{Result, itertools, streams::ObjectReceiveStream};
///
/// # anyio::run(async || -> Result<()> {
/// let [mut first, second] = itertools::tee(itertools::from_iter(1..4), 8);
/// assert_eq!(first.receive().await?, Some(1));
/// assert_eq!(itertools::collect(second).await?, [1, 2, 3]);
/// assert_eq!(itertools::collect(first).await?, [2, 3]);
/// # Ok(()) }).unwrap();
/// ```
///
/// # Panics
/// If `capacity` is 0.
pub fn tee<S: ObjectReceiveStream<Item: Clone>, const COUNT: usize>(
    source: S,
    capacity: usize,
) -> [Tee<S>; COUNT] {
    assert!(capacity > 0, "readers that may keep nothing");
    let shared = Rc::new(Shared {
        source: RefCell::new(Some(source)),
        turn: Semaphore::new(1),
        capacity,
        state: RefCell::new(State { items: VecDeque::new(), first: 0, places: vec![Some(0); COUNT] }),
        room: RefCell::new(Rc::new(Event::new())),
        ended: Cell::new(false),
    });
    std::array::from_fn(|reader| Tee { shared: Rc::clone(&shared), reader })
}

/// Puts a source back where it was taken from.
struct Borrowed<'a, S> {
    place: &'a RefCell<Option<S>>,
    source: Option<S>,
}

impl<S> Drop for Borrowed<'_, S> {
    fn drop(&mut self) {
        *self.place.borrow_mut() = self.source.take();
    }
}

enum Next<T> {
    Item(Rc<T>),
    /// The source is to be asked.
    Ask,
    /// Another reader has to get what is kept first.
    Full,
}

impl<S: ObjectReceiveStream> Tee<S> {
    fn next(&self) -> Next<S::Item> {
        let mut state = self.shared.state.borrow_mut();
        let Some(place) = state.places[self.reader] else { return Next::Ask };
        let index = (place - state.first) as usize;
        let Some(item) = state.items.get(index).cloned() else {
            return if state.items.len() < self.shared.capacity { Next::Ask } else { Next::Full };
        };
        state.places[self.reader] = Some(place + 1);
        let read = state.take_read();
        drop(state);
        self.shared.make_room(read);
        Next::Item(item)
    }
}

impl<S: ObjectReceiveStream> Shared<S> {
    /// Drops what all have got, and wakes those who waited for that.
    fn make_room(&self, read: Vec<Rc<S::Item>>) {
        if !read.is_empty() {
            let waiting = self.room.replace(Rc::new(Event::new()));
            waiting.set();
        }
        drop_each(read);
    }
}

impl<S: ObjectReceiveStream<Item: Clone>> ObjectReceiveStream for Tee<S> {
    type Item = S::Item;

    async fn receive(&mut self) -> Result<Option<S::Item>> {
        nothing_to_do().await?;
        loop {
            let room = Rc::clone(&self.shared.room.borrow());
            match self.next() {
                Next::Item(item) => {
                    return Ok(Some(Rc::try_unwrap(item).unwrap_or_else(|shared| (*shared).clone())));
                }
                Next::Full => {
                    room.wait().await?;
                    continue;
                }
                Next::Ask if self.shared.ended.get() => return Ok(None),
                Next::Ask => {}
            }
            let _turn = self.shared.turn.acquire().await?;
            // Another may have received meanwhile.
            match self.next() {
                Next::Item(item) => {
                    return Ok(Some(Rc::try_unwrap(item).unwrap_or_else(|shared| (*shared).clone())));
                }
                Next::Ask if !self.shared.ended.get() => {}
                Next::Full | Next::Ask => continue,
            }
            let mut borrowed =
                Borrowed { place: &self.shared.source, source: self.shared.source.borrow_mut().take() };
            let Some(source) = &mut borrowed.source else { return Ok(None) };
            match source.receive().await? {
                Some(item) => self.shared.state.borrow_mut().items.push_back(Rc::new(item)),
                None => self.shared.ended.set(true),
            }
        }
    }
}

impl<S: ObjectReceiveStream> Clone for Tee<S> {
    fn clone(&self) -> Self {
        let mut state = self.shared.state.borrow_mut();
        let place = state.places[self.reader];
        let reader = state.places.iter().position(Option::is_none).unwrap_or(state.places.len());
        if reader == state.places.len() {
            state.places.push(place);
        } else {
            state.places[reader] = place;
        }
        Self { shared: Rc::clone(&self.shared), reader }
    }
}

impl<S: ObjectReceiveStream> Drop for Tee<S> {
    fn drop(&mut self) {
        let mut state = self.shared.state.borrow_mut();
        state.places[self.reader] = None;
        let read = state.take_read();
        drop(state);
        self.shared.make_room(read);
    }
}

impl<S: ObjectReceiveStream> Attributes for Tee<S> {}

impl<S: ObjectReceiveStream> fmt::Debug for Tee<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state.borrow();
        f.debug_struct("Tee").field("kept", &state.items.len()).finish_non_exhaustive()
    }
}
