//! The driver contract kept on one io_uring.
