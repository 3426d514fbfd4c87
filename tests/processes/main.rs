//! Starting processes, talking to them, and leaving none behind.

mod leaving;
mod observing;
mod options;
mod run;
mod starting;
mod streams;
mod talking;
mod temporary;
mod waiting;
