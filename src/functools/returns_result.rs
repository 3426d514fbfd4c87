//! What the attributes of caches ask of a function's return type.

/// A `Result`, taken apart. For the code that attributes write.
pub trait ReturnsResult {
    /// What is there if all went well.
    type Value;
    /// What is there if not.
    type Error;
}

impl<T, E> ReturnsResult for Result<T, E> {
    type Value = T;
    type Error = E;
}
