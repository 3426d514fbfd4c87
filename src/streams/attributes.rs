//! What a stream knows beyond its bytes, through all its wrappers.

use std::{any::Any, os::fd::RawFd};

/// Names a fact that streams may know, and its type. Usually a type without values.
///
/// ```
/// use anyio::streams::{Attribute, AttributeRequest, Attributes};
///
/// enum Port {}
///
/// impl Attribute for Port {
///     type Value = u16;
/// }
///
/// struct Stream;
///
/// impl Attributes for Stream {
///     fn provide(&self, request: &mut AttributeRequest<'_>) {
///         request.provide::<Port>(|| 80);
///     }
/// }
///
/// assert_eq!(Stream.extra::<Port>(), Some(80));
/// ```
pub trait Attribute: 'static {
    /// The type of the fact.
    type Value: 'static;
}

/// The number of the descriptor below, which is its owner's as long as that is open. Sockets, pipes and files know it.
#[derive(Debug)]
pub enum RawDescriptor {}

impl Attribute for RawDescriptor {
    type Value = RawFd;
}

/// What can be asked for [`Attribute`]s. Wrappers pass questions on to what they wrap.
pub trait Attributes {
    /// Answers a request with [`AttributeRequest::provide`], once for each attribute known. A wrapper then calls this
    /// method of what it wraps. The first answer counts. By default nothing is known.
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        let _ = request;
    }

    /// The attribute, or `None` if nothing here knows it.
    fn extra<A: Attribute>(&self) -> Option<A::Value>
    where
        Self: Sized,
    {
        extra::<A>(self)
    }
}

/// The attribute of something whose type is not known, or `None` if it is not known there.
pub fn extra<A: Attribute>(of: &dyn Attributes) -> Option<A::Value> {
    let mut answer: Answer<A> = Answer(None);
    of.provide(&mut AttributeRequest { answer: &mut answer });
    answer.0
}

struct Answer<A: Attribute>(Option<A::Value>);

/// A request for one attribute. Which one is known only to who asks.
#[derive(Debug)]
pub struct AttributeRequest<'a> {
    /// An [`Answer`].
    answer: &'a mut dyn Any,
}

impl AttributeRequest<'_> {
    /// Gives the value if this attribute was asked for and nobody has given it.
    pub fn provide<A: Attribute>(&mut self, value: impl FnOnce() -> A::Value) {
        if let Some(Answer(answer @ None)) = self.answer.downcast_mut::<Answer<A>>() {
            *answer = Some(value());
        }
    }

    /// The same for what is known only at times: `None` leaves the question open.
    pub fn provide_if_known<A: Attribute>(&mut self, value: impl FnOnce() -> Option<A::Value>) {
        if let Some(Answer(answer @ None)) = self.answer.downcast_mut::<Answer<A>>() {
            *answer = value();
        }
    }
}

impl<T: Attributes + ?Sized> Attributes for &mut T {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        (**self).provide(request);
    }
}

impl<T: Attributes + ?Sized> Attributes for Box<T> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        (**self).provide(request);
    }
}
