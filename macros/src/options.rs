//! The arguments of both attributes.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{
    Error, Expr, ExprLit, Ident, Lit, LitStr, Result, Token, parenthesized,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
};

/// A back end by the name it has in arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Auto,
    Uring,
    Poll,
}

impl Backend {
    fn of(name: &LitStr) -> Result<Self> {
        match name.value().as_str() {
            "auto" => Ok(Self::Auto),
            "uring" => Ok(Self::Uring),
            "poll" => Ok(Self::Poll),
            other => {
                let text =
                    format!("no back end is called {other:?}; there are \"auto\", \"uring\" and \"poll\"");
                Err(Error::new(name.span(), text))
            }
        }
    }

    pub(crate) fn path(self) -> TokenStream {
        match self {
            Self::Auto => quote!(::anyio::Backend::Auto),
            Self::Uring => quote!(::anyio::Backend::Uring),
            Self::Poll => quote!(::anyio::Backend::Poll),
        }
    }
}

/// A way in which a test is cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Cancel,
    Drop,
    Timeout,
}

impl Manner {
    fn of(name: &Ident) -> Option<Self> {
        match name.to_string().as_str() {
            "cancel" => Some(Self::Cancel),
            "drop" => Some(Self::Drop),
            "timeout" => Some(Self::Timeout),
            _ => None,
        }
    }

    pub(crate) fn constructor(self) -> TokenStream {
        match self {
            Self::Cancel => quote!(::anyio::testing::Everywhere::cancel()),
            Self::Drop => quote!(::anyio::testing::Everywhere::drop()),
            Self::Timeout => quote!(::anyio::testing::Everywhere::timeout()),
        }
    }
}

/// What was given in the attribute's parentheses.
#[derive(Default)]
pub(crate) struct Options {
    /// The back ends that were named, with where.
    pub(crate) backends: Vec<(Backend, Span)>,
    /// On how many cores to run, with where that is said.
    pub(crate) cores: Option<(Expr, Span)>,
    /// Whether there may be several back ends, with where that is said.
    pub(crate) several_backends: Option<Span>,
    /// The ways in which a test is to be cut short everywhere, with where that is said.
    pub(crate) everywhere: Vec<(Manner, Span)>,
    /// Where it is said that a test is to be left alone.
    pub(crate) calm: Option<Span>,
    /// Calls of the builder's methods, in the order in which they were given.
    pub(crate) calls: TokenStream,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Self::default();
        let mut given = Vec::<Ident>::new();
        while !input.is_empty() {
            let name: Ident = input.parse()?;
            let group = if name == "backends" { "backend".to_owned() } else { name.to_string() };
            if given.iter().any(|before| *before == group) {
                return Err(Error::new(name.span(), format!("`{name}` is given twice")));
            }
            options.parse_value(&name, input)?;
            given.push(Ident::new(&group, name.span()));
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

impl Options {
    /// Whether deadlines are to pass everywhere, which is done on a virtual clock.
    pub(crate) fn passes_deadlines(&self) -> bool {
        self.everywhere.iter().any(|(manner, _)| *manner == Manner::Timeout)
    }

    fn parse_value(&mut self, name: &Ident, input: ParseStream<'_>) -> Result<()> {
        if name == "backends" {
            return self.parse_backends(name, input);
        }
        input.parse::<Token![=]>()?;
        if name == "backend" {
            let value: LitStr = input.parse()?;
            self.backends.push((Backend::of(&value)?, value.span()));
            return Ok(());
        }
        if let Some(manner) = Manner::of(name) {
            let value: LitStr = input.parse()?;
            if value.value() != "everywhere" {
                return Err(Error::new(value.span(), format!("`{name}` is \"everywhere\", or not given")));
            }
            self.everywhere.push((manner, name.span()));
            return Ok(());
        }
        if name == "clock" {
            self.calls.extend(clock(&input.parse()?)?);
            return Ok(());
        }
        if name == "calm" {
            let reason: LitStr = input.parse()?;
            if reason.value().trim().is_empty() {
                return Err(Error::new(reason.span(), "`calm` says why the test cannot have chaos"));
            }
            self.calm = Some(name.span());
            self.calls.extend(quote!(.calm(#reason)));
            return Ok(());
        }
        if name == "ordered" {
            let reason: LitStr = input.parse()?;
            if reason.value().trim().is_empty() {
                return Err(Error::new(
                    reason.span(),
                    "`ordered` says why tasks have to come in their order",
                ));
            }
            self.calls.extend(quote!(.ordered(#reason)));
            return Ok(());
        }
        let value: Expr = input.parse()?;
        let call = match name.to_string().as_str() {
            "cores" => {
                refuse_zero(&value, "a program needs at least one core")?;
                self.cores = Some((value, name.span()));
                return Ok(());
            }
            "ring_entries" | "receive_buffers" | "receive_buffer_size" => quote!(.#name(#value)),
            "spin_us" => quote!(.spin(::core::time::Duration::from_micros(#value))),
            "autojump_threshold_ms" => {
                quote!(.autojump_threshold(::core::time::Duration::from_millis(#value)))
            }
            "deadlock_timeout_ms" => quote!(.deadlock_timeout(::core::time::Duration::from_millis(#value))),
            "teardown_limit_ms" => quote!(.teardown_limit(::core::time::Duration::from_millis(#value))),
            "worker_threads" => {
                refuse_zero(&value, "the poll back end needs at least one worker thread")?;
                quote!(.worker_threads(::core::num::NonZeroUsize::new(#value).expect("more than 0 worker threads")))
            }
            _ => {
                let text = format!(
                    "`{name}` is not an option; there are `backend`, `ring_entries`, `receive_buffers`, \
                     `receive_buffer_size`, `spin_us`, `worker_threads`, `teardown_limit_ms`, `clock`, \
                     `autojump_threshold_ms`, `deadlock_timeout_ms`, for `main` also \
                     `cores`, for `test` also `backends(…)`, `cancel`, `drop`, `timeout`, `calm`, `ordered`"
                );
                return Err(Error::new(name.span(), text));
            }
        };
        self.calls.extend(call);
        Ok(())
    }

    fn parse_backends(&mut self, name: &Ident, input: ParseStream<'_>) -> Result<()> {
        let list;
        parenthesized!(list in input);
        let names = Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?;
        if names.is_empty() {
            return Err(Error::new(name.span(), "`backends(…)` needs at least one name"));
        }
        for value in &names {
            let backend = Backend::of(value)?;
            if self.backends.iter().any(|(before, _)| *before == backend) {
                return Err(Error::new(value.span(), "this back end is named twice"));
            }
            self.backends.push((backend, value.span()));
        }
        self.several_backends = Some(name.span());
        Ok(())
    }
}

/// The call that sets the clock of this name.
fn clock(name: &LitStr) -> Result<TokenStream> {
    match name.value().as_str() {
        "monotonic" => Ok(quote!(.clock(::anyio::Clock::Monotonic))),
        "virtual" => Ok(quote!(.clock(::anyio::Clock::Virtual))),
        other => {
            let text = format!("no clock is called {other:?}; there are \"monotonic\" and \"virtual\"");
            Err(Error::new(name.span(), text))
        }
    }
}

fn refuse_zero(value: &Expr, text: &str) -> Result<()> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) if number.base10_digits() == "0" => {
            Err(Error::new(number.span(), text))
        }
        _ => Ok(()),
    }
}
