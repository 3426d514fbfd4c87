//! What the tests of files share.

use anyio::{
    Builder, Result,
    testing::{run_test, test_backends},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

/// A folder of the test's own, removed when it goes.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!(
            "{}-{}-{number}",
            env!("CARGO_CRATE_NAME"),
            std::process::id()
        ));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a test with a folder of its own, once on each back end.
pub(crate) fn on_each_backend(test: impl AsyncFn(&Folder) -> Result<()>) {
    for backend in test_backends() {
        let folder = Folder::new();
        run_test(Builder::new(), backend, None, async || test(&folder).await);
    }
}

/// The same for a test that cannot have chaos, and says why.
pub(crate) fn calmly_on_each_backend(reason: &'static str, test: impl AsyncFn(&Folder) -> Result<()>) {
    for backend in test_backends() {
        let folder = Folder::new();
        run_test(Builder::new().calm(reason), backend, None, async || test(&folder).await);
    }
}
