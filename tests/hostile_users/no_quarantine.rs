//! The address sanitizer keeps freed memory back itself.

pub(crate) fn written_to() -> Option<usize> {
    None
}
