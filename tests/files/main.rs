//! Files, folders, paths and temporary files, on both back ends.

mod choices;
mod fifo;
mod file;
mod folder;
mod names;
mod path;
mod streams;
mod tempfile;
