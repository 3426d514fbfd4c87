//! How text lies in files.

use super::Path;
use crate::{
    error::{Error, Result},
    fs,
    streams::{TextErrors, TextStream},
};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use std::{borrow::Cow, io};

/// How text lies in a file: its encoding, what becomes of errors in it, and how its lines end.
///
/// ```
/// use anyio::{Newlines, Path, Result, TextFormat};
///
/// # anyio::run(async || -> Result<()> {
/// # let folder = anyio::tempfile::TemporaryDirectory::new().await?;
/// let path = folder.path() / "letter.txt";
/// let format = TextFormat::new().encoding("latin1")?.newlines(Newlines::CrLf);
/// path.write_text_as("grüße\n", format).await?;
/// assert_eq!(path.read_bytes().await?, b"gr\xfc\xdfe\r\n");
/// assert_eq!(path.read_text_as(format.newlines(Newlines::Any)).await?, "grüße\n");
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextFormat {
    encoding: &'static Encoding,
    errors: TextErrors,
    newlines: Newlines,
}

/// How lines end in a file. In the program they end in `\n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Newlines {
    /// Nothing is changed.
    #[default]
    Kept,
    /// What is read may have `\n`, `\r\n` and `\r`, each of which becomes `\n`. Nothing that is written is changed.
    Any,
    /// Each `\n` is written as `\r\n`. Nothing that is read is changed.
    CrLf,
    /// Each `\n` is written as `\r`. Nothing that is read is changed.
    Cr,
}

impl TextFormat {
    /// UTF-8 whose errors are told and whose lines are left alone.
    pub fn new() -> Self {
        Self { encoding: UTF_8, errors: TextErrors::Strict, newlines: Newlines::Kept }
    }

    /// The encoding, under any of the names that the web knows it by, such as `latin1`, `utf-16le` or `shift_jis`. A byte
    /// order mark is text.
    ///
    /// # Errors
    /// [`Error::Io`] of the kind `InvalidInput` if there is no encoding of this name.
    pub fn encoding(mut self, name: &str) -> Result<Self> {
        self.encoding = Encoding::for_label(name.as_bytes()).ok_or_else(|| {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "there is no encoding of this name");
            Error::of_operation(error, "find the encoding", name)
        })?;
        Ok(self)
    }

    /// What becomes of bytes that are no text, and of characters that the encoding does not have.
    #[must_use]
    pub fn errors(mut self, errors: TextErrors) -> Self {
        self.errors = errors;
        self
    }

    /// How lines end in the file.
    #[must_use]
    pub fn newlines(mut self, newlines: Newlines) -> Self {
        self.newlines = newlines;
        self
    }

    fn decode(self, bytes: &[u8]) -> Result<String> {
        let text = TextStream::with_encoding((), self.encoding, self.errors).decode(bytes, true)?;
        Ok(match self.newlines {
            Newlines::Any if text.contains('\r') => text.replace("\r\n", "\n").replace('\r', "\n"),
            _ => text,
        })
    }

    fn encode(self, text: &str) -> Result<Vec<u8>> {
        let text = match self.newlines {
            Newlines::Kept | Newlines::Any => Cow::Borrowed(text),
            Newlines::CrLf => Cow::Owned(text.replace('\n', "\r\n")),
            Newlines::Cr => Cow::Owned(text.replace('\n', "\r")),
        };
        // The web does not write it, so neither does its encoder.
        if self.encoding == UTF_16LE {
            return Ok(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
        }
        if self.encoding == UTF_16BE {
            return Ok(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
        }
        TextStream::with_encoding((), self.encoding, self.errors).encode(&text)
    }
}

impl Default for TextFormat {
    fn default() -> Self {
        Self::new()
    }
}

impl Path {
    /// The whole contents, as text of this format.
    ///
    /// # Errors
    /// As for [`fs::read`]. [`Error::Io`] of the kind `InvalidData` for bytes that are no text.
    ///
    /// # Cancel safety
    /// As for [`fs::read`].
    pub async fn read_text_as(&self, format: TextFormat) -> Result<String> {
        format.decode(&fs::read(self).await?).map_err(|error| self.not_text(error, "read"))
    }

    /// Makes this text the contents, in this format.
    ///
    /// # Errors
    /// As for [`fs::write`]. [`Error::Io`] of the kind `InvalidData` for a character that the encoding does not have; then the
    /// file is as it was.
    ///
    /// # Cancel safety
    /// As for [`fs::write`].
    pub async fn write_text_as(&self, text: impl AsRef<str>, format: TextFormat) -> Result<()> {
        let bytes = format.encode(text.as_ref()).map_err(|error| self.not_text(error, "write"))?;
        fs::write(self, bytes).await
    }

    fn not_text(&self, error: Error, operation: &'static str) -> Error {
        match error {
            Error::Io(error) => Error::of_operation(error, operation, self.display()),
            error => error,
        }
    }
}
