//! Files, folders, paths and temporary files, on both back ends.

mod file;
mod folder;
