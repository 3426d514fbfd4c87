//! What a program does as a worker.

use super::{entry, image, serving};
use serde::{Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, fmt, panic::RefUnwindSafe};

type Function = Box<dyn Fn(&[u8]) -> Result<Vec<u8>, String> + RefUnwindSafe>;

/// Makes this program one that can be its own worker. It is the first to be called in `main`: in a process that was started
/// as a worker it never comes back, and what comes before it takes place in each worker, too. Programs with
/// `#[anyio::main]` need not call it.
///
/// ```
/// use anyio::to_process;
///
/// fn main() -> anyio::Result<()> {
///     to_process::serve();
///     anyio::run(async || {
///         assert_eq!(to_process::run_sync(u32::swap_bytes, 1).await?, 1 << 24);
///         Ok(())
///     })
/// }
/// ```
pub fn serve() {
    Functions::new().serve();
}

/// Functions that a program offers to others by their names: see [`WorkerProgram`](super::WorkerProgram).
///
/// ```no_run
/// use anyio::to_process::Functions;
///
/// fn main() {
///     Functions::new().add("swap", u32::swap_bytes).add("length", |text: String| text.len()).serve();
///     eprintln!("this is a worker of some other program");
/// }
/// ```
#[derive(Default)]
pub struct Functions(BTreeMap<&'static str, Function>);

impl Functions {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Offers a function under a name, in place of one that had it.
    #[must_use]
    pub fn add<A, T>(mut self, name: &'static str, function: fn(A) -> T) -> Self
    where
        A: DeserializeOwned + 'static,
        T: Serialize + 'static,
    {
        self.0.insert(name, Box::new(move |argument| image::call(function, argument)));
        self
    }

    /// Serves, if this process was started as a worker, and then never comes back. The first to be called in `main`, as
    /// [`serve`].
    pub fn serve(self) {
        entry::note_program();
        serving::serve_if_worker(&|name, argument| self.call(name, argument));
    }

    /// Calls one.
    fn call(&self, name: &str, argument: &[u8]) -> Result<Vec<u8>, String> {
        match self.0.get(name) {
            Some(function) => function(argument),
            None => serving::no_function(name, argument),
        }
    }
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
