//! Several errors at once.

use super::Stopping;
use super::{
    AsError, CancelAware, Cancelled, Error,
    connection::concerns_one_connection,
    inside::{Wanted, inside, wanted},
    stage_of,
};
use std::{error::Error as StdError, fmt};

/// What came out of a [task group](crate::task_group) that failed: all real errors, first in time first. Or, alone,
/// the cancellation of a scope further out, which is to be passed on with `?`. Never both, so that no error is lost with a
/// cancellation: a group of real errors is none for any scope, also if one of them is a cancellation that nobody asked for.
///
/// It is always a group, also of one. To take it apart there are [`handle`](Self::handle),
/// [`into_single`](Self::into_single), [`into_first`](Self::into_first), [`extract`](Self::extract) and iteration.
#[must_use = "the errors of a task group are lost if nobody looks at them"]
pub struct ErrorGroup<E> {
    errors: Vec<E>,
    passed_on: Option<Stopping>,
    as_error: AsError<E>,
}

impl<E> ErrorGroup<E> {
    /// A group of these errors, or `None` if there are none. Cancellations among them, and [`Error::Finishing`], are left out if
    /// there are other errors; if there are not, the first is passed on alone.
    pub fn new<Via>(errors: impl IntoIterator<Item = E>) -> Option<Self>
    where
        E: CancelAware<Via>,
    {
        let is_real = |error: &E| stage_of(error.as_error()).is_none();
        let (errors, mut stopped): (Vec<E>, Vec<E>) = errors.into_iter().partition(is_real);
        if errors.is_empty() && !stopped.is_empty() {
            let cancelled = stopped.iter().position(|error| error.is_cancelled()).unwrap_or(0);
            return Some(Self::passing_on(stopped.swap_remove(cancelled), E::as_error));
        }
        Self::of_real(errors, E::as_error)
    }

    /// A group of errors that are real, or cancellations that no scope is responsible for, which count as such.
    fn of_real(errors: Vec<E>, as_error: AsError<E>) -> Option<Self> {
        (!errors.is_empty()).then_some(Self { errors, passed_on: None, as_error })
    }

    /// The same of errors of which there is one at least.
    pub(crate) fn from_parts(errors: Vec<E>, as_error: AsError<E>) -> Self {
        Self { errors, passed_on: None, as_error }
    }

    /// A cancellation, or finishing, alone.
    pub(crate) fn passing_on(error: E, as_error: AsError<E>) -> Self {
        let stage = stage_of(as_error(&error)).unwrap_or(Stopping::Cancel);
        Self { errors: vec![error], passed_on: Some(stage), as_error }
    }

    /// What it passes on that is no failure.
    pub(crate) fn passed_on(&self) -> Option<Stopping> {
        self.passed_on
    }

    /// Whether this is no failure but the cancellation of a scope further out, passed on.
    pub fn is_cancelled(&self) -> bool {
        self.passed_on == Some(Stopping::Cancel)
    }

    /// Whether this is no failure but that a scope further out is [finishing](Error::Finishing), passed on.
    pub fn is_finishing(&self) -> bool {
        self.passed_on == Some(Stopping::Finish)
    }

    /// How many errors there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a group is never empty")]
    pub fn len(&self) -> usize {
        self.errors.len()
    }

    /// The errors, first in time first.
    pub fn iter(&self) -> std::slice::Iter<'_, E> {
        self.errors.iter()
    }

    /// Deals with errors one by one, as Python's `except*` does: what the closure gives back stays in the group.
    ///
    /// A cancellation (or finishing) that is being passed on is not shown to the closure and stays.
    ///
    /// # Errors
    /// The group of what stayed, if anything did.
    pub fn handle(self, handler: impl FnMut(E) -> Result<(), E>) -> Result<(), Self> {
        if self.passed_on.is_some() {
            return Err(self);
        }
        let errors: Vec<E> = self.errors.into_iter().map(handler).filter_map(Result::err).collect();
        Self::of_real(errors, self.as_error).map_or(Ok(()), Err)
    }

    /// The only error there is.
    ///
    /// # Errors
    /// The group itself, if there are several.
    pub fn into_single(mut self) -> Result<E, Self> {
        if self.errors.len() > 1 {
            return Err(self);
        }
        Ok(self.errors.swap_remove(0))
    }

    /// The first error, the one that made the others be cancelled. The others are dropped.
    pub fn into_first(mut self) -> E {
        self.errors.swap_remove(0)
    }

    /// Splits off the errors that are, or carry along their sources, a `T`, and tells what is left.
    pub fn extract<T: StdError + 'static>(self) -> (Vec<E>, Option<Self>) {
        if self.passed_on.is_some() {
            return (Vec::new(), Some(self));
        }
        let as_error = self.as_error;
        let carries = |error: &E| {
            let mut next = Some(as_error(error));
            while let Some(error) = next {
                if error.is::<T>() {
                    return true;
                }
                next = inside(error, Wanted::Any);
            }
            false
        };
        let (found, errors): (Vec<E>, Vec<E>) = self.errors.into_iter().partition(carries);
        (found, Self::of_real(errors, as_error))
    }

    /// The same group with each error converted, for example into a wider type.
    pub fn map<F, Via>(self, convert: impl FnMut(E) -> F) -> ErrorGroup<F>
    where
        F: CancelAware<Via>,
    {
        let (passed_on, as_error) = (self.passed_on, F::as_error);
        ErrorGroup { errors: self.errors.into_iter().map(convert).collect(), passed_on, as_error }
    }
}

static CANCELLED: Cancelled = Cancelled::new();
static FINISHING: Error = Error::Finishing;

impl<E> IntoIterator for ErrorGroup<E> {
    type Item = E;
    type IntoIter = std::vec::IntoIter<E>;

    fn into_iter(self) -> Self::IntoIter {
        self.errors.into_iter()
    }
}

impl<'a, E> IntoIterator for &'a ErrorGroup<E> {
    type Item = &'a E;
    type IntoIter = std::slice::Iter<'a, E>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<E> fmt::Display for ErrorGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.passed_on {
            Some(Stopping::Cancel) => return CANCELLED.fmt(f),
            Some(Stopping::Finish) => return FINISHING.fmt(f),
            None => {}
        }
        match &self.errors[..] {
            [only] => fmt::Display::fmt((self.as_error)(only), f),
            [first, ..] => write!(f, "{} errors, the first: {}", self.len(), (self.as_error)(first)),
            [] => Ok(()),
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for ErrorGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErrorGroup ")?;
        f.debug_list().entries(&self.errors).finish()
    }
}

impl<E: fmt::Debug> StdError for ErrorGroup<E> {
    /// The source of the first error, which the text tells of.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let first = (self.as_error)(self.errors.first()?);
        let Some(wanted) = wanted() else { return first.source() };
        match self.passed_on {
            Some(Stopping::Cancel) => return Some(&CANCELLED),
            Some(Stopping::Finish) => return Some(&FINISHING),
            None => {}
        }
        let graver = |error: &&E| !concerns_one_connection((self.as_error)(error));
        match wanted {
            Wanted::Stage => None,
            Wanted::Any => Some(first),
            Wanted::Graver => Some(self.errors.iter().find(graver).map_or(first, self.as_error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed_out() -> Error {
        crate::TimedOut::new().into()
    }

    fn group() -> ErrorGroup<Error> {
        ErrorGroup::new([timed_out(), Error::WouldBlock, timed_out()]).unwrap()
    }

    #[test]
    fn what_the_handler_gives_back_stays() {
        let rest = group().handle(|error| match error {
            Error::TimedOut(_) => Ok(()),
            other => Err(other),
        });
        assert!(matches!(rest.unwrap_err().into_single(), Ok(Error::WouldBlock)));
        assert!(group().handle(|_| Ok(())).is_ok());
    }

    #[test]
    fn several_are_not_single() {
        assert_eq!(group().into_single().unwrap_err().len(), 3);
        assert!(matches!(group().into_first(), Error::TimedOut(_)));
    }

    #[test]
    fn errors_are_extracted_by_type() {
        let error = std::io::Error::from(std::io::ErrorKind::NotFound);
        let group = ErrorGroup::new([Error::Io(error), timed_out()]).unwrap();
        let (found, rest) = group.extract::<std::io::Error>();
        assert_eq!((found.len(), rest.map(|rest| rest.len())), (1, Some(1)));
    }

    #[test]
    fn a_cancellation_passed_on_is_recognised_inside_other_errors() {
        let group = ErrorGroup::passing_on(Error::from(Cancelled::new()), CancelAware::as_error);
        assert!(CancelAware::is_cancelled(&std::io::Error::other(group)));
        assert!(!CancelAware::is_cancelled(&self::group()));
    }

    #[test]
    fn cancellations_are_not_among_real_errors_and_lose_none() {
        let cancelled = || Error::from(Cancelled::new());
        let mixed = || [cancelled(), Error::WouldBlock, cancelled(), timed_out()];
        let group = ErrorGroup::new(mixed()).unwrap();
        assert_eq!((group.len(), group.is_cancelled(), CancelAware::is_cancelled(&group)), (2, false, false));
        // In any type, and by way of others' errors.
        let anyhows = ErrorGroup::new(mixed().map(anyhow::Error::from)).unwrap();
        assert!(!anyhows.is_cancelled() && !CancelAware::is_cancelled(&std::io::Error::other(anyhows)));
        let only = ErrorGroup::new([cancelled(), cancelled()].map(anyhow::Error::from)).unwrap();
        assert!(only.is_cancelled() && CancelAware::is_cancelled(&anyhow::Error::from(only)));
    }

    #[test]
    fn groups_become_io_errors() {
        fn convert(group: ErrorGroup<Error>) -> std::io::Result<()> {
            Err(group)?;
            Ok(())
        }
        use std::io::ErrorKind;
        let only = |error| ErrorGroup::new([error]).unwrap();
        assert_eq!(convert(only(timed_out())).unwrap_err().kind(), ErrorKind::TimedOut);
        let missing = std::io::Error::from_raw_os_error(libc::ENOENT);
        assert_eq!(convert(only(Error::Io(missing))).unwrap_err().raw_os_error(), Some(libc::ENOENT));
        let cancelled = convert(only(Cancelled::new().into())).unwrap_err();
        assert!(matches!(Error::from(cancelled), Error::Cancelled(_)));
        let several = convert(group()).unwrap_err();
        assert!(matches!(Error::from(several), Error::Group(group) if group.len() == 3));
        let group = ErrorGroup::new([ErrorKind::NotFound, ErrorKind::AddrInUse].map(std::io::Error::from));
        let several = std::io::Error::from(group.unwrap());
        assert!(matches!(Error::from(several), Error::Group(group) if group.len() == 2));
    }

    #[test]
    fn an_empty_group_does_not_exist() {
        assert!(ErrorGroup::<Error>::new([]).is_none());
    }

    #[test]
    fn groups_go_into_anyhow() {
        fn convert() -> anyhow::Result<()> {
            Err(group())?;
            Ok(())
        }
        assert_eq!(convert().unwrap_err().to_string(), "3 errors, the first: the time allowed was over");
    }
}
