//! Choices out of all items, in lexicographic order of their places. The choosing itself is done by the crate `itertools`.

use crate::{
    error::Result,
    runtime::nothing_to_do,
    streams::{Attributes, ObjectReceiveStream},
};
use itertools::{Itertools, MultiProduct};
use std::{fmt, vec};

/// First all items are received, then the choices are given.
enum Phase<S: ObjectReceiveStream, I> {
    Receiving { source: S, pool: Vec<S::Item> },
    Giving(I),
}

impl<S: ObjectReceiveStream, I: Iterator> Phase<S, I> {
    fn new(source: S) -> Self {
        Self::Receiving { source, pool: Vec::new() }
    }

    async fn next(&mut self, choices: impl FnOnce(Vec<S::Item>) -> I) -> Result<Option<I::Item>> {
        if let Self::Receiving { source, pool } = self {
            while let Some(item) = source.receive().await? {
                pool.push(item);
            }
            *self = Self::Giving(choices(std::mem::take(pool)));
        }
        nothing_to_do().await?;
        match self {
            Self::Giving(choices) => Ok(choices.next()),
            Self::Receiving { .. } => Ok(None),
        }
    }
}

/// Something out of which nothing can be chosen. What is too much is not even tried, as it may be more than any memory holds.
fn nothing<T>() -> (Vec<T>, usize) {
    (Vec::new(), 1)
}

/// A stream of choices: its name, the iterator underneath, and how that is made of the pool of all items.
macro_rules! choices {
    (
        $(#[$of_type:meta])* $name:ident, $(#[$of_function:meta])* $function:ident, $size:ty,
        $iterator:ident, $make:expr
    ) => {
        $(#[$of_type])*
        pub struct $name<S: ObjectReceiveStream<Item: Clone>> {
            phase: Phase<S, itertools::$iterator<vec::IntoIter<S::Item>>>,
            size: $size,
        }

        $(#[$of_function])*
        pub fn $function<S: ObjectReceiveStream<Item: Clone>>(source: S, size: impl Into<$size>) -> $name<S> {
            $name { phase: Phase::new(source), size: size.into() }
        }

        impl<S: ObjectReceiveStream<Item: Clone>> ObjectReceiveStream for $name<S> {
            type Item = Vec<S::Item>;

            async fn receive(&mut self) -> Result<Option<Vec<S::Item>>> {
                let size = self.size;
                let make: fn(Vec<S::Item>, $size) -> _ = $make;
                self.phase.next(|pool| make(pool, size)).await
            }
        }

        impl<S: ObjectReceiveStream<Item: Clone>> Attributes for $name<S> {}

        impl<S: ObjectReceiveStream<Item: Clone>> fmt::Debug for $name<S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("size", &self.size).finish_non_exhaustive()
            }
        }
    };
}

choices!(
    /// Choices of different places. Made by [`combinations`].
    Combinations,
    /// All choices of `size` items at different places, each in the order of the stream.
    combinations, usize, Combinations,
    |pool, size| {
        let (pool, size) = if size > pool.len() { nothing() } else { (pool, size) };
        pool.into_iter().combinations(size)
    }
);
choices!(
    /// Choices of places that may be the same. Made by [`combinations_with_replacement`].
    CombinationsWithReplacement,
    /// All choices of `size` items, of which several may be from the same place, each in the order of the stream.
    combinations_with_replacement, usize, CombinationsWithReplacement,
    |pool, size| {
        let (pool, size) = if pool.is_empty() && size > 0 { nothing() } else { (pool, size) };
        pool.into_iter().combinations_with_replacement(size)
    }
);
choices!(
    /// Orders. Made by [`permutations`].
    Permutations,
    /// All orders of `size` items at different places, or of all items.
    permutations, Option<usize>, Permutations,
    |pool, size| {
        let size = size.unwrap_or(pool.len());
        pool.into_iter().permutations(size)
    }
);

/// One item of each stream. Made by [`product`].
pub struct Product<S: ObjectReceiveStream<Item: Clone>> {
    sources: vec::IntoIter<S>,
    current: Option<S>,
    pool: Vec<S::Item>,
    pools: Vec<Vec<S::Item>>,
    repeat: usize,
    choices: Option<MultiProduct<vec::IntoIter<S::Item>>>,
}

/// All ways to take one item of each stream; the last changes fastest. With `repeat` each stream counts so many times.
/// First all items of all streams are received.
///
/// Each choice has as many items as there are streams, times `repeat`. What does not fit into memory ends the program, as a
/// vector of that size would.
pub fn product<S>(sources: impl IntoIterator<Item = S>, repeat: usize) -> Product<S>
where
    S: ObjectReceiveStream<Item: Clone>,
{
    let sources: Vec<S> = sources.into_iter().collect();
    Product {
        sources: sources.into_iter(),
        current: None,
        pool: Vec::new(),
        pools: Vec::new(),
        repeat,
        choices: None,
    }
}

impl<S: ObjectReceiveStream<Item: Clone>> ObjectReceiveStream for Product<S> {
    type Item = Vec<S::Item>;

    async fn receive(&mut self) -> Result<Option<Vec<S::Item>>> {
        loop {
            if let Some(choices) = &mut self.choices {
                nothing_to_do().await?;
                return Ok(choices.next());
            }
            if self.current.is_none() {
                self.current = self.sources.next();
            }
            let Some(source) = &mut self.current else {
                let once = std::mem::take(&mut self.pools);
                // Without any stream, or with one that has nothing, repeating changes nothing.
                let changes = once.iter().all(|pool| !pool.is_empty()) && !once.is_empty();
                let times = if changes { self.repeat } else { self.repeat.min(1) };
                let all = std::iter::repeat_n(once, times).flatten();
                self.choices = Some(all.map(Vec::into_iter).multi_cartesian_product());
                continue;
            };
            match source.receive().await? {
                Some(item) => self.pool.push(item),
                None => {
                    self.current = None;
                    self.pools.push(std::mem::take(&mut self.pool));
                }
            }
        }
    }
}

impl<S: ObjectReceiveStream<Item: Clone>> Attributes for Product<S> {}

impl<S: ObjectReceiveStream<Item: Clone>> fmt::Debug for Product<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Product").field("repeat", &self.repeat).finish_non_exhaustive()
    }
}
