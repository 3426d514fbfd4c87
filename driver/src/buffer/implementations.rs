//! The buffers of the standard library and of `bytes`.

use super::{IoBuf, IoBufMut};
use bytes::{Bytes, BytesMut};
use std::{rc::Rc, sync::Arc};

/// Implements [`IoBuf`] for owners that lend their bytes as a slice.
macro_rules! readable {
    ($($type:ty),* $(,)?) => {$(
        // SAFETY: the bytes live outside of the value, and nobody can write to them while it is not used.
        unsafe impl IoBuf for $type {
            #[inline]
            fn pointer(&self) -> *const u8 {
                self.as_ptr()
            }

            #[inline]
            fn length(&self) -> usize {
                self.len()
            }
        }
    )*};
}

readable!(Vec<u8>, String, Box<[u8]>, Rc<[u8]>, Arc<[u8]>, &'static [u8], &'static str, Bytes, BytesMut);

// SAFETY: the bytes lie in the value, so they are not stable, and nobody else can reach them.
unsafe impl<const N: usize> IoBuf for [u8; N] {
    const STABLE: bool = false;

    fn pointer(&self) -> *const u8 {
        self.as_ptr()
    }

    fn length(&self) -> usize {
        N
    }
}

// SAFETY: the bytes lie in the box's allocation.
unsafe impl<const N: usize> IoBuf for Box<[u8; N]> {
    fn pointer(&self) -> *const u8 {
        self.as_ptr()
    }

    fn length(&self) -> usize {
        N
    }
}

// SAFETY: as for the array that the reference leads to, which nothing can change or free.
unsafe impl<const N: usize> IoBuf for &'static [u8; N] {
    fn pointer(&self) -> *const u8 {
        self.as_ptr()
    }

    fn length(&self) -> usize {
        N
    }
}

// SAFETY: a vector's room is its own, `capacity` bytes long, and moves only when the vector is used.
unsafe impl IoBufMut for Vec<u8> {
    #[inline]
    fn pointer_mut(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    #[inline]
    fn capacity(&self) -> usize {
        Vec::capacity(self)
    }

    #[inline]
    unsafe fn set_filled(&mut self, length: usize) {
        // SAFETY: the caller's promise is the same as what is asked for here.
        unsafe { self.set_len(length) };
    }
}

// SAFETY: as for a vector; a `BytesMut`'s room is never shared.
unsafe impl IoBufMut for BytesMut {
    fn pointer_mut(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    fn capacity(&self) -> usize {
        BytesMut::capacity(self)
    }

    unsafe fn set_filled(&mut self, length: usize) {
        // SAFETY: the caller's promise is the same as what is asked for here.
        unsafe { self.set_len(length) };
    }
}

/// Implements [`IoBufMut`] for owners of a fixed number of initialised bytes.
macro_rules! fixed {
    ($([$($generic:tt)*] $type:ty),* $(,)?) => {$(
        // SAFETY: all bytes are initialised, owned, and their number never changes.
        unsafe impl<$($generic)*> IoBufMut for $type {
            fn pointer_mut(&mut self) -> *mut u8 {
                self.as_mut_ptr()
            }

            fn capacity(&self) -> usize {
                self.len()
            }

            unsafe fn set_filled(&mut self, _length: usize) {}
        }
    )*};
}

fixed!([] Box<[u8]>, [const N: usize] [u8; N], [const N: usize] Box<[u8; N]>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_owner_shows_its_bytes() {
        fn bytes_of(buffer: impl IoBuf) -> Vec<u8> {
            buffer.bytes().to_vec()
        }
        assert_eq!(bytes_of(b"abc".to_vec()), b"abc");
        assert_eq!(bytes_of(String::from("abc")), b"abc");
        assert_eq!(bytes_of(b"abc".to_vec().into_boxed_slice()), b"abc");
        assert_eq!(bytes_of(Rc::<[u8]>::from(&b"abc"[..])), b"abc");
        assert_eq!(bytes_of(Arc::<[u8]>::from(&b"abc"[..])), b"abc");
        assert_eq!(bytes_of(&b"abc"[..]), b"abc");
        assert_eq!(bytes_of("abc"), b"abc");
        assert_eq!(bytes_of(b"abc"), b"abc");
        assert_eq!(bytes_of(*b"abc"), b"abc");
        assert_eq!(bytes_of(Box::new(*b"abc")), b"abc");
        assert_eq!(bytes_of(Bytes::from_static(b"abc")), b"abc");
        assert_eq!(bytes_of(BytesMut::from(&b"abc"[..])), b"abc");
    }

    #[test]
    fn room_is_the_capacity_of_what_grows_and_the_length_of_what_does_not() {
        assert_eq!(IoBufMut::capacity(&Vec::<u8>::with_capacity(10)), 10);
        assert_eq!(IoBufMut::capacity(&BytesMut::with_capacity(10)), 10);
        assert_eq!(IoBufMut::capacity(&[0u8; 10]), 10);
        assert_eq!(IoBufMut::capacity(&vec![0u8; 10].into_boxed_slice()), 10);
    }
}
