//! Files, folders, paths and temporary files, on both back ends.

#![allow(clippy::incompatible_msrv, reason = "tests are built with a current compiler")]

mod choices;
mod fifo;
mod file;
mod folder;
mod lacking;
mod names;
mod path;
mod streams;
mod tempfile;
