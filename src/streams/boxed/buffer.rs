//! Buffers whose type is not known.
//!
//! # Contract
//! The buffer lies in a box, so its bytes stay where they are also if they are a part of it. Everything else its owner
//! has promised, and nobody can reach it but through the box.

use anyio_driver::{IoBuf, IoBufMut};
use std::any::Any;

/// What can be done with a buffer that is read from.
trait Readable {
    fn pointer(&self) -> *const u8;
    fn length(&self) -> usize;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<B: IoBuf> Readable for B {
    fn pointer(&self) -> *const u8 {
        IoBuf::pointer(self)
    }

    fn length(&self) -> usize {
        IoBuf::length(self)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// What can be done with a buffer that is filled.
trait Writable: Readable {
    fn pointer_mut(&mut self) -> *mut u8;
    fn capacity(&self) -> usize;
    /// # Safety
    /// As for [`IoBufMut::set_filled`].
    unsafe fn set_filled(&mut self, length: usize);
}

impl<B: IoBufMut> Writable for B {
    fn pointer_mut(&mut self) -> *mut u8 {
        IoBufMut::pointer_mut(self)
    }

    fn capacity(&self) -> usize {
        IoBufMut::capacity(self)
    }

    unsafe fn set_filled(&mut self, length: usize) {
        // SAFETY: the caller's promise is the same.
        unsafe { IoBufMut::set_filled(self, length) }
    }
}

fn recover<B: 'static>(buffer: Box<dyn Any>) -> B {
    *buffer.downcast().expect("a stream gives back the buffer that it was given")
}

/// A buffer to be read from.
pub(super) struct AnyBuf(Box<dyn Readable>);

impl AnyBuf {
    pub(super) fn new(buffer: impl IoBuf) -> Self {
        Self(Box::new(buffer))
    }

    /// The buffer that was put in.
    pub(super) fn into_inner<B: IoBuf>(self) -> B {
        recover(self.0.into_any())
    }
}

// SAFETY: the buffer keeps the contract as long as it is not moved, and in its box it is not.
unsafe impl IoBuf for AnyBuf {
    fn pointer(&self) -> *const u8 {
        self.0.pointer()
    }

    fn length(&self) -> usize {
        self.0.length()
    }
}

/// A buffer to be filled.
pub(super) struct AnyBufMut(Box<dyn Writable>);

impl AnyBufMut {
    pub(super) fn new(buffer: impl IoBufMut) -> Self {
        Self(Box::new(buffer))
    }

    /// The buffer that was put in.
    pub(super) fn into_inner<B: IoBufMut>(self) -> B {
        recover(self.0.into_any())
    }
}

// SAFETY: as for `AnyBuf`.
unsafe impl IoBuf for AnyBufMut {
    fn pointer(&self) -> *const u8 {
        self.0.pointer()
    }

    fn length(&self) -> usize {
        self.0.length()
    }
}

// SAFETY: as for `AnyBuf`.
unsafe impl IoBufMut for AnyBufMut {
    fn pointer_mut(&mut self) -> *mut u8 {
        self.0.pointer_mut()
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }

    unsafe fn set_filled(&mut self, length: usize) {
        // SAFETY: the caller's promise is the same.
        unsafe { self.0.set_filled(length) }
    }
}

#[cfg(test)]
mod tests {
    use super::{AnyBuf, AnyBufMut};
    use anyio_driver::{IoBuf, IoBufMut};

    #[test]
    fn bytes_inside_of_a_buffer_stay_where_they_are() {
        let buffer = AnyBufMut::new([1, 2, 3]);
        let pointer = buffer.pointer();
        let moved = Box::new([buffer]);
        assert_eq!((moved[0].pointer(), moved[0].bytes()), (pointer, &[1, 2, 3][..]));
    }

    #[test]
    fn a_buffer_that_was_filled_comes_back_with_its_length() {
        let mut buffer = AnyBufMut::new(Vec::with_capacity(8));
        assert!(buffer.capacity() >= 8 && buffer.length() == 0);
        // SAFETY: there is room for two bytes, and they are written before they count.
        unsafe {
            buffer.pointer_mut().copy_from_nonoverlapping(b"ab".as_ptr(), 2);
            buffer.set_filled(2);
        }
        assert_eq!(buffer.into_inner::<Vec<u8>>(), b"ab");
        assert_eq!(AnyBuf::new("text").into_inner::<&str>(), "text");
    }
}
