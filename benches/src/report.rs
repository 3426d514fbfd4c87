//! Telling what was measured: on the terminal, and as a page with charts.

pub(crate) mod page;
pub(crate) mod row_table;
pub(crate) mod terminal;
