//! Threads for what can only be done by blocking.
