//! Values of an asynchronous function, remembered.

use super::entries::Entries;
use crate::{error::Cancelled, lowlevel, time::current_time};
use std::{cell::Cell, fmt, hash::Hash, time::Duration};

/// A function and what it gave for the arguments it was last called with. Made by [`lru_cache`] or [`cache`].
///
/// Calls with equal arguments at the same time call the function once, and all get its value. If that call fails or is
/// cancelled nothing is remembered, and the one of the others that has waited longest calls the function next.
pub struct Cache<K, V, F> {
    function: F,
    entries: Entries<K, V>,
    max_size: Option<usize>,
    ttl: Option<Duration>,
    always_checkpoint: bool,
    hits: Cell<u64>,
    misses: Cell<u64>,
}

/// What a [`Cache`] has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheInfo {
    /// Calls that found a value, or one that was being made.
    pub hits: u64,
    /// Calls that did not.
    pub misses: u64,
    /// How many values it keeps at most; `None` for any number.
    pub max_size: Option<usize>,
    /// How many values it keeps now, with those that are being made.
    pub current_size: usize,
    /// How long a value is good.
    pub ttl: Option<Duration>,
}

/// How a [`Cache`] was set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheParameters {
    /// How many values it keeps at most; `None` for any number.
    pub max_size: Option<usize>,
    /// How long a value is good.
    pub ttl: Option<Duration>,
    /// Whether a call that finds its value is a checkpoint.
    pub always_checkpoint: bool,
}

/// Remembers the last 128 values of a function. Several arguments are one tuple.
///
/// ```
/// use anyio::{Result, functools};
/// use std::time::Duration;
///
/// # anyio::run(async || -> Result<()> {
/// let names = functools::lru_cache(async |&(id, upper): &(u32, bool)| {
///     let name = format!("user {id}");
///     anyio::Ok(if upper { name.to_uppercase() } else { name })
/// })
/// .max_size(1000)
/// .ttl(Duration::from_secs(60));
/// assert_eq!(names.call((7, true)).await?, "USER 7");
/// # Ok(()) }).unwrap();
/// ```
pub fn lru_cache<K, V, E, F>(function: F) -> Cache<K, V, F>
where
    K: Hash + Eq + Clone,
    V: Clone,
    F: AsyncFn(&K) -> Result<V, E>,
{
    Cache {
        function,
        entries: Entries::new(),
        max_size: Some(128),
        ttl: None,
        always_checkpoint: false,
        hits: Cell::new(0),
        misses: Cell::new(0),
    }
}

/// Remembers all values of a function.
pub fn cache<K, V, E, F>(function: F) -> Cache<K, V, F>
where
    K: Hash + Eq + Clone,
    V: Clone,
    F: AsyncFn(&K) -> Result<V, E>,
{
    lru_cache(function).max_size(None)
}

impl<K: Hash + Eq + Clone, V: Clone, F> Cache<K, V, F> {
    /// How many values are kept at most, `None` for any number. With 0 the function is called each time.
    #[must_use]
    pub fn max_size(mut self, max_size: impl Into<Option<usize>>) -> Self {
        self.max_size = max_size.into();
        self
    }

    /// How long a value is good, on the run's clock. Without limit by default.
    #[must_use]
    pub fn ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.ttl = ttl.into();
        self
    }

    /// Makes each call a checkpoint that lets others have their turn, also one that finds its value.
    #[must_use]
    pub fn always_checkpoint(mut self) -> Self {
        self.always_checkpoint = true;
        self
    }

    /// The value for these arguments: the one that is kept, or the one that somebody is just having made, or what the
    /// function gives now. One that is kept is given at once, also in a cancelled scope, unless each call is to be a
    /// [checkpoint](Self::always_checkpoint).
    ///
    /// # Errors
    /// What the function gives, which is not kept. The cancellation of the scope.
    ///
    /// # Cancel safety
    /// As that of the function. Others that wait for the same value are not cancelled: one of them calls the function anew.
    /// Forgetting this future while it calls the function ([`mem::forget`](std::mem::forget)) is like forgetting the guard of a
    /// lock: others that want the same value wait until the cache is [cleared](Self::clear) and they ask again.
    ///
    /// # Panics
    /// If the function, or what it polls, asks for its value for the same arguments: it would wait for itself.
    pub async fn call<E>(&self, key: K) -> Result<V, E>
    where
        F: AsyncFn(&K) -> Result<V, E>,
        E: From<Cancelled>,
    {
        if self.always_checkpoint {
            lowlevel::checkpoint().await?;
        }
        let max_size = self.max_size.unwrap_or(usize::MAX);
        let found = if max_size == 0 {
            None
        } else {
            Some(self.entries.find(key.clone(), max_size, |entry| {
                let made = entry.made.get();
                self.ttl.is_some_and(|ttl| made.is_some_and(|made| current_time() - made >= ttl))
            }))
        };
        let Some((entry, is_new)) = found else {
            self.misses.set(self.misses.get() + 1);
            return (self.function)(&key).await;
        };
        let count = if is_new { &self.misses } else { &self.hits };
        count.set(count.get() + 1);
        if let Some(value) = entry.value.get() {
            return Ok(value.clone());
        }
        let value = entry
            .value
            .get_or_try_init(async || {
                let value = (self.function)(&key).await?;
                entry.made.set(Some(current_time()));
                Ok::<_, E>(value)
            })
            .await?;
        Ok(value.clone())
    }

    /// Forgets all values, and begins to count anew. Calls under way go on.
    pub fn clear(&self) {
        self.hits.set(0);
        self.misses.set(0);
        self.entries.clear();
    }

    /// What it has done so far.
    pub fn info(&self) -> CacheInfo {
        CacheInfo {
            hits: self.hits.get(),
            misses: self.misses.get(),
            max_size: self.max_size,
            current_size: self.entries.len(),
            ttl: self.ttl,
        }
    }

    /// How it was set up.
    pub fn parameters(&self) -> CacheParameters {
        CacheParameters { max_size: self.max_size, ttl: self.ttl, always_checkpoint: self.always_checkpoint }
    }

    /// The function itself.
    pub fn function(&self) -> &F {
        &self.function
    }
}

impl<K: Hash + Eq, V, F> fmt::Debug for Cache<K, V, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("hits", &self.hits.get())
            .field("misses", &self.misses.get())
            .field("max_size", &self.max_size)
            .field("current_size", &self.entries.len())
            .finish_non_exhaustive()
    }
}
