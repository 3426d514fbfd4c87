//! Measuring: what is done to peers and counted of them, whoever they are, and what came of it.

pub(crate) mod amounts;
pub(crate) mod arrivals;
pub(crate) mod bulk;
pub(crate) mod cell;
pub(crate) mod datagrams;
pub(crate) mod http;
pub(crate) mod hyper;
pub(crate) mod idle_results;
pub(crate) mod interrupt;
pub(crate) mod job;
pub(crate) mod limits;
pub(crate) mod load;
pub(crate) mod machine;
pub(crate) mod measure;
pub(crate) mod process;
pub(crate) mod ready;
pub(crate) mod results;
pub(crate) mod row;
pub(crate) mod row_results;
pub(crate) mod sample_files;
pub(crate) mod socket_pairs;
pub(crate) mod statistics;
pub(crate) mod stopwatch;
pub(crate) mod submissions;
pub(crate) mod system_calls;
pub(crate) mod tls;
