//! Everything that says how it bears being cancelled, cancelled at each of its checkpoints.

mod mechanism;
