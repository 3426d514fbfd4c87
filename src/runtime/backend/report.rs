//! What a host offers to a back end.

use std::{fmt, io};

/// What there is for one back end.
#[derive(Debug)]
#[non_exhaustive]
pub struct BackendReport {
    /// Why it cannot be used, if it cannot.
    pub refusal: Option<io::Error>,
    /// Each part that is or could be in use. Empty if nothing could be set up to ask.
    pub features: Vec<Feature>,
}

/// One part of a back end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
    /// Whether it is in use.
    pub in_use: bool,
    /// What it is good for, or why it is not in use and what happens instead.
    pub note: String,
}

impl fmt::Display for BackendReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.refusal {
            Some(error) => write!(f, "no ({error})")?,
            None => f.write_str("yes")?,
        }
        self.features.iter().try_for_each(|feature| write!(f, "\n    {feature}"))
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.in_use { "yes" } else { "no " };
        write!(f, "{mark} {}: {}", self.name, self.note)
    }
}
