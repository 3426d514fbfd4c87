//! Which program a worker is.

use crate::process::Command;
use std::{ffi::OsString, rc::Rc};

/// Which program a worker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Program {
    Itself,
    Other(Rc<Other>),
}

/// Another program than this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) program: OsString,
    pub(super) arguments: Vec<OsString>,
}

impl Other {
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command
    }
}
