//! What was given, in the text of an error.

use std::fmt::{self, Write};

/// So many characters of what was given an error shows whole: as many as the longest path has that systems take.
const MOST: usize = 4096;
/// How many it shows of the beginning of what is longer.
const BEGINNING: usize = 128;
/// How many of its end.
const END: usize = 32;

/// What was given, in the text of an error. What is too long for people to read is told by its beginning, its end and its
/// length.
pub(crate) struct Quoted<T>(pub(crate) T);

impl<T: AsRef<str>> fmt::Display for Quoted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.as_ref();
        if text.len() <= MOST {
            return f.write_str(text);
        }
        let count = text.chars().count();
        text.chars().take(BEGINNING).try_for_each(|character| f.write_char(character))?;
        f.write_str(" … ")?;
        text.chars().skip(count - END).try_for_each(|character| f.write_char(character))?;
        write!(f, " ({count} characters)")
    }
}

/// The same between quotation marks, with what cannot be printed escaped.
impl<T: AsRef<str>> fmt::Debug for Quoted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_is_shown_whole_and_what_is_long_by_both_ends() {
        assert_eq!(Quoted("a/b").to_string(), "a/b");
        assert_eq!(Quoted("é".repeat(2048)).to_string().chars().count(), 2048);
        let shown = Quoted("é".repeat(70_000) + "end").to_string();
        assert!(shown.starts_with("éé") && shown.ends_with("éend (70003 characters)"), "{shown}");
        assert!(shown.len() < 500);
        assert_eq!(format!("{:?}", Quoted("a\0b")), "\"a\\0b\"");
    }
}
