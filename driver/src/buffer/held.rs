//! A buffer in the hands of an operation.

use super::{IoBuf, IoBufMut};

/// Holds a buffer so that its bytes stay where they are, even when the `Held` is moved.
///
/// Values whose bytes lie elsewhere are held as they are. Values which contain their bytes, such as arrays, are
/// boxed, which costs an allocation.
#[derive(Debug)]
pub struct Held<B>(Repr<B>);

#[derive(Debug)]
enum Repr<B> {
    Plain(B),
    Boxed(Box<B>),
}

impl<B: IoBuf> Held<B> {
    /// Takes the buffer over.
    #[inline]
    pub fn new(buffer: B) -> Self {
        Self(if B::STABLE { Repr::Plain(buffer) } else { Repr::Boxed(Box::new(buffer)) })
    }

    /// The buffer itself.
    #[inline]
    pub fn get(&self) -> &B {
        match &self.0 {
            Repr::Plain(buffer) => buffer,
            Repr::Boxed(buffer) => buffer,
        }
    }

    /// Gives the buffer back.
    #[inline]
    pub fn into_inner(self) -> B {
        match self.0 {
            Repr::Plain(buffer) => buffer,
            Repr::Boxed(buffer) => *buffer,
        }
    }
}

impl<B: IoBufMut> Held<B> {
    /// The buffer itself, to be filled.
    #[inline]
    pub fn get_mut(&mut self) -> &mut B {
        match &mut self.0 {
            Repr::Plain(buffer) => buffer,
            Repr::Boxed(buffer) => buffer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_keeps_its_address_when_its_holder_moves() {
        let held = Held::new([7u8; 16]);
        let before = held.get().pointer();
        let moved = std::hint::black_box(Box::new(held));
        assert_eq!(moved.get().pointer(), before);
        assert_eq!(moved.into_inner(), [7u8; 16]);
    }

    #[test]
    fn a_vector_is_not_boxed() {
        let held = Held::new(vec![1u8, 2]);
        assert!(matches!(held.0, Repr::Plain(_)));
    }
}
