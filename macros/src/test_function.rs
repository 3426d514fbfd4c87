//! `#[anyio::test]`.

use crate::{
    function,
    options::{Backend, Options},
};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Error, Expr, ExprLit, Ident, ItemFn, Lit, Meta, MetaNameValue, Result, parse2};

pub(crate) fn expand(arguments: TokenStream, function: TokenStream) -> TokenStream {
    let function: ItemFn = match parse2(function) {
        Ok(function) => function,
        Err(error) => {
            return Error::new(error.span(), "`#[anyio::test]` goes on an `async fn`").into_compile_error();
        }
    };
    expand_function(arguments, function).unwrap_or_else(Error::into_compile_error)
}

fn expand_function(arguments: TokenStream, mut function: ItemFn) -> Result<TokenStream> {
    function::check(&function, "test")?;
    function::check_no_parameters(&function.sig, "a test has no parameters")?;
    let options: Options = parse2(arguments)?;
    if let Some((_, span)) = &options.cores {
        return Err(Error::new(
            *span,
            "a test runs on one core; call `anyio::run_on_cores` in a plain `#[test]`",
        ));
    }
    let backends = backends(&options)?;
    let attributes = Attributes::of(std::mem::take(&mut function.attrs))?;
    if let Some(should_panic) = attributes.should_panic() {
        if !function::gives_unit(&function.sig) {
            return Err(Error::new_spanned(should_panic, "a test with `#[should_panic]` gives `()`"));
        }
    }
    let skipped = match attributes.should_panic().map(expected_panic) {
        Some(text) => quote!(::core::option::Option::Some(#text)),
        None => quote!(::core::option::Option::None),
    };
    let Attributes { conditions, function: of_function, tests: of_tests } = &attributes;
    let (name, calls) = (&function.sig.ident, &options.calls);
    let body = body(&options, &function);
    // Which faults there are depends on what was done before, so each run would be another.
    let calm = (!options.everywhere.is_empty() && options.calm.is_none())
        .then(|| quote!(.calm("its runs are compared")));
    let clock = options.passes_deadlines().then(|| quote!(.clock(::anyio::Clock::Virtual)));
    let tests = backends.iter().map(|backend| {
        let path = backend.path();
        let test = match backend {
            Backend::Poll => Ident::new("poll", name.span()),
            Backend::Uring | Backend::Auto => Ident::new("uring", name.span()),
        };
        quote! {
            #[::core::prelude::v1::test]
            #(#of_tests)*
            fn #test() {
                ::anyio::entry::of_test(::core::concat!(::core::module_path!(), "::", ::core::stringify!(#test)));
                ::anyio::testing::run_test(::anyio::Builder::new() #clock #calm #calls, #path, #skipped, #body);
            }
        }
    });
    Ok(quote! {
        #[cfg(test)]
        #(#conditions)*
        #(#of_function)*
        #function

        #[cfg(test)]
        #(#conditions)*
        mod #name {
            #(#tests)*
        }
    })
}

/// What a run of the test does: the test itself, or all the runs in which it is cut short.
fn body(options: &Options, function: &ItemFn) -> TokenStream {
    let name = &function.sig.ident;
    if options.everywhere.is_empty() {
        return quote!(super::#name);
    }
    let run = if function::gives_unit(&function.sig) {
        quote!({ super::#name().await; ::anyio::Ok(()) })
    } else {
        quote!(super::#name().await)
    };
    let manners = options.everywhere.iter().map(|(manner, _)| manner.constructor());
    quote! {
        async || {
            #(
                ::anyio::testing::cancel_everywhere(
                    #manners,
                    async || (),
                    async |(): &mut ()| #run,
                    async |(), _| (),
                )
                .await;
            )*
        }
    }
}

/// The back ends to test on.
fn backends(options: &Options) -> Result<Vec<Backend>> {
    let automatic = options.backends.iter().find(|(backend, _)| *backend == Backend::Auto);
    if let Some((_, span)) = automatic {
        return Err(Error::new(*span, "a test names its back ends: \"uring\" or \"poll\""));
    }
    if options.backends.is_empty() {
        return Ok(vec![Backend::Uring, Backend::Poll]);
    }
    Ok(options.backends.iter().map(|(backend, _)| *backend).collect())
}

/// The attributes of the function, by where they go.
struct Attributes {
    /// `cfg`s, which go to the function and to the tests.
    conditions: Vec<Attribute>,
    function: Vec<Attribute>,
    tests: Vec<Attribute>,
}

impl Attributes {
    fn of(attributes: Vec<Attribute>) -> Result<Self> {
        let mut sorted = Self { conditions: Vec::new(), function: Vec::new(), tests: Vec::new() };
        for attribute in attributes {
            if attribute.path().is_ident("test") {
                return Err(Error::new_spanned(attribute, "`#[anyio::test]` makes it a test already"));
            }
            let list = if attribute.path().is_ident("cfg") {
                &mut sorted.conditions
            } else if stays_with_function(&attribute) {
                &mut sorted.function
            } else {
                &mut sorted.tests
            };
            list.push(attribute);
        }
        Ok(sorted)
    }

    fn should_panic(&self) -> Option<&Attribute> {
        self.tests.iter().find(|attribute| attribute.path().is_ident("should_panic"))
    }
}

/// The text with which a test has to panic, as `#[should_panic]` says it: so it does also when it is left out.
fn expected_panic(attribute: &Attribute) -> String {
    let value = match &attribute.meta {
        Meta::Path(_) => None,
        Meta::NameValue(pair) => Some(pair.value.clone()),
        Meta::List(list) => list.parse_args::<MetaNameValue>().ok().map(|pair| pair.value),
    };
    match value {
        Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => text.value(),
        _ => String::new(),
    }
}

/// Whether the attribute is about the function's code; the others are about the test.
fn stays_with_function(attribute: &Attribute) -> bool {
    const OF_CODE: [&str; 8] = ["allow", "expect", "warn", "deny", "forbid", "doc", "inline", "track_caller"];
    if let Meta::List(list) = &attribute.meta {
        if attribute.path().is_ident("cfg_attr") {
            return list
                .tokens
                .clone()
                .into_iter()
                .any(|token| OF_CODE.iter().any(|name| token.to_string() == *name));
        }
    }
    OF_CODE.iter().any(|name| attribute.path().is_ident(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn refusal(arguments: TokenStream, function: TokenStream) -> String {
        expand_function(arguments, parse2(function).unwrap()).unwrap_err().to_string()
    }

    fn tests_of(arguments: TokenStream, function: TokenStream) -> String {
        expand_function(arguments, parse2(function).unwrap()).unwrap().to_string().replace(' ', "")
    }

    #[test]
    fn there_is_one_test_per_back_end() {
        let both = tests_of(
            quote!(),
            quote!(
                async fn works() {}
            ),
        );
        assert!(both.contains("fnuring()") && both.contains("fnpoll()"), "{both}");
        let everywhere = tests_of(
            quote!(cancel = "everywhere", timeout = "everywhere"),
            quote!(
                async fn works() -> Result<()> {
                    Ok(())
                }
            ),
        );
        assert!(everywhere.contains("Everywhere::cancel()") && everywhere.contains("Everywhere::timeout()"));
        assert!(everywhere.contains("Builder::new().clock(::anyio::Clock::Virtual).calm("), "{everywhere}");
        let one = tests_of(
            quote!(backend = "poll"),
            quote!(
                async fn works() {}
            ),
        );
        assert!(!one.contains("fnuring()") && one.contains("fnpoll()"), "{one}");
        let listed = tests_of(
            quote!(backends("uring")),
            quote!(
                async fn works() {}
            ),
        );
        assert!(listed.contains("fnuring()") && !listed.contains("fnpoll()"), "{listed}");
    }

    #[test]
    fn attributes_go_where_they_belong() {
        let expanded = tests_of(
            quote!(backend = "poll"),
            quote! {
                #[allow(dead_code)]
                #[cfg(unix)]
                #[ignore = "slow"]
                #[serial]
                async fn works() {}
            },
        );
        let (function, tests) = expanded.split_once("modworks").unwrap();
        assert!(function.contains("allow(dead_code)") && !function.contains("ignore"), "{function}");
        assert!(tests.contains("#[ignore=\"slow\"]") && tests.contains("#[serial]"), "{tests}");
        assert!(!tests.contains("allow"), "{tests}");
        assert_eq!(expanded.matches("#[cfg(unix)]").count(), 2);
    }

    #[test]
    fn the_text_of_an_expected_panic_is_known() {
        let text = |attribute: Attribute| expected_panic(&attribute);
        assert_eq!(text(parse_quote!(#[should_panic])), "");
        assert_eq!(text(parse_quote!(#[should_panic = "a"])), "a");
        assert_eq!(text(parse_quote!(#[should_panic(expected = "b")])), "b");
    }

    #[test]
    fn wrong_use_is_refused() {
        let works = || {
            quote!(
                async fn works() {}
            )
        };
        assert_eq!(
            refusal(
                quote!(),
                quote!(
                    fn works() {}
                )
            ),
            "`#[anyio::test]` goes on an `async fn`"
        );
        assert_eq!(
            refusal(
                quote!(),
                quote!(
                    async fn works(a: u8) {}
                )
            ),
            "a test has no parameters"
        );
        assert!(refusal(quote!(clock = "sun"), works()).starts_with("no clock is called"));
        assert!(refusal(quote!(backend = "auto"), works()).starts_with("a test names its back ends"));
        assert!(refusal(quote!(calm = " "), works()).contains("says why"));
        assert!(refusal(quote!(ordered = ""), works()).contains("says why"));
        assert!(refusal(quote!(cancel = "here"), works()).contains("is \"everywhere\""));
        assert!(refusal(quote!(cores = 2), works()).starts_with("a test runs on one core"));
        assert!(refusal(quote!(backends()), works()).contains("at least one name"));
        assert!(refusal(quote!(backends("poll", "poll")), works()).contains("named twice"));
        assert!(refusal(quote!(backend = "poll", backends("poll")), works()).contains("given twice"));
        assert!(
            refusal(
                quote!(),
                quote!(
                    #[test]
                    async fn works() {}
                )
            )
            .contains("makes it a test already"),
            "the standard attribute"
        );
        let panics = quote!(
            #[should_panic]
            async fn works() -> Result<()> {
                Ok(())
            }
        );
        assert_eq!(refusal(quote!(), panics), "a test with `#[should_panic]` gives `()`");
    }
}
