//! The building blocks of Python's `itertools`, for streams of objects.
//!
//! Each function takes what it is to work on as a stream ([`ObjectReceiveStream`](crate::streams::ObjectReceiveStream)) and
//! gives another. [`from_iter`] makes a stream of any iterator,
//! [`ItemStream`](crate::streams::objects::ItemStream) one of a `futures` stream, and
//! [`ObjectItems`](crate::streams::objects::ObjectItems) makes a result one again. What is called for an item is an
//! asynchronous function that may fail. Streams of different types become one in a
//! [`BoxedObjectReceiveStream`](crate::streams::BoxedObjectReceiveStream).
//!
//! ```
//! use anyio::{Result, itertools, lowlevel};
//!
//! # anyio::run(async || -> Result<()> {
//! let numbers = itertools::from_iter(1..=10);
//! let odd = itertools::filterfalse(numbers, async |number: &i32| {
//!     lowlevel::checkpoint().await?;
//!     Ok(number % 2 == 0)
//! });
//! let pairs = itertools::pairwise(odd);
//! assert_eq!(itertools::collect(pairs).await?, [(1, 3), (3, 5), (5, 7), (7, 9)]);
//! # Ok(()) }).unwrap();
//! ```
//!
//! # Cancel safety
//! Everywhere here: receiving is a checkpoint for each item and at the end, also where nothing has to be waited for. Whether
//! the scope is cancelled or a future dropped, no item is lost: the next call goes on where the last stood, and calls a
//! function again for the item for which it had not ended.

mod combinatorics;
mod grouping;
mod infinite;
mod iter;
mod joining;
mod mapping;
mod selecting;
mod slice;
mod tee;

pub use combinatorics::{
    Combinations, CombinationsWithReplacement, Permutations, Product, combinations,
    combinations_with_replacement, permutations, product,
};
pub use grouping::{Batched, GroupBy, Pairwise, batched, groupby, pairwise};
pub use infinite::{Count, Cycle, Repeat, count, cycle, repeat};
pub use iter::{FromIter, collect, from_iter};
pub use joining::{Chain, ChainFromStream, ZipLongest, chain, chain_from_stream, zip_longest};
pub use mapping::{Accumulate, StarMap, accumulate, starmap};
pub use selecting::{
    Compress, DropWhile, FilterFalse, TakeWhile, compress, dropwhile, filterfalse, takewhile,
};
pub use slice::{Slice, islice};
pub use tee::{Tee, tee};

/// A stream of which no more is to be told than its name: what it works on need not be `Debug`, and it has no attributes.
macro_rules! only_a_name {
    ($name:ident < $($parameter:ident),* > $(where $bounded:ident: $bound:path)?) => {
        impl<$($parameter),*> std::fmt::Debug for $name<$($parameter),*> $(where $bounded: $bound)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }

        impl<$($parameter),*> $crate::streams::Attributes for $name<$($parameter),*> $(where $bounded: $bound)? {}
    };
}
use only_a_name;
