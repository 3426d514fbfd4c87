//! The driver contract kept on readiness and a few worker threads.
