//! Names of operations in flight.

use std::fmt;

/// Names one operation in flight: slot index, generation of that slot, and a kind which drivers use to tell
/// their own internal operations from the caller's.
///
/// The caller's tokens have kind 0. A token is never a pointer, so a late completion can be recognised as late
/// and harm nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(u64);

impl Token {
    /// How many generations a slot has before they repeat.
    pub const GENERATIONS: u32 = 1 << 24;

    /// The token of slot `index` in its generation `generation` (taken modulo [`Token::GENERATIONS`]), of kind 0.
    #[inline]
    pub const fn new(index: u32, generation: u32) -> Self {
        Self(index as u64 | ((generation % Self::GENERATIONS) as u64) << 32)
    }

    /// The same slot and generation with another kind. Only drivers use kinds other than 0.
    #[inline]
    pub const fn with_kind(self, kind: u8) -> Self {
        Self(self.0 & !(0xff << 56) | (kind as u64) << 56)
    }

    /// The slot's index.
    #[inline]
    pub const fn index(self) -> u32 {
        self.0 as u32
    }

    /// The slot's generation, below [`Token::GENERATIONS`].
    #[inline]
    pub const fn generation(self) -> u32 {
        (self.0 >> 32) as u32 & (Self::GENERATIONS - 1)
    }

    /// The kind: 0 for the caller's operations.
    #[inline]
    pub const fn kind(self) -> u8 {
        (self.0 >> 56) as u8
    }

    /// The token as the 64 bits that travel through the kernel.
    #[inline]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The token of these 64 bits.
    #[inline]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}.{}", self.index(), self.generation())?;
        match self.kind() {
            0 => f.write_str(")"),
            kind => write!(f, " kind {kind})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_out() {
        let token = Token::new(u32::MAX, Token::GENERATIONS - 1).with_kind(7);
        assert_eq!((token.index(), token.generation(), token.kind()), (u32::MAX, Token::GENERATIONS - 1, 7));
        assert_eq!(Token::from_bits(token.to_bits()), token);
    }

    #[test]
    fn generation_wraps_without_touching_the_kind() {
        let token = Token::new(1, Token::GENERATIONS);
        assert_eq!((token.index(), token.generation(), token.kind()), (1, 0, 0));
    }
}
