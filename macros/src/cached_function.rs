//! `#[functools::lru_cache]` and `#[functools::cache]`.

use crate::function;
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{
    Error, Expr, FnArg, Ident, ItemFn, Pat, PatIdent, Result, ReturnType, Token, Type,
    parse::{Parse, ParseStream},
    parse2,
};

/// Calls of the cache's methods.
struct Options(TokenStream);

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut calls = TokenStream::new();
        while !input.is_empty() {
            let name: Ident = input.parse()?;
            calls.extend(match name.to_string().as_str() {
                "always_checkpoint" => quote!(.always_checkpoint()),
                "max_size" => {
                    input.parse::<Token![=]>()?;
                    let size: Expr = input.parse()?;
                    quote!(.max_size(#size))
                }
                "ttl_ms" => {
                    input.parse::<Token![=]>()?;
                    let milliseconds: Expr = input.parse()?;
                    quote!(.ttl(::core::time::Duration::from_millis(#milliseconds)))
                }
                _ => {
                    let text = "a cache has `max_size = …`, `ttl_ms = …` and `always_checkpoint`";
                    return Err(Error::new(name.span(), text));
                }
            });
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(Self(calls))
    }
}

/// Writes the function with a cache of this kind, which is the name of the attribute and of what makes the cache.
pub(crate) fn expand(kind: &str, arguments: TokenStream, function: TokenStream) -> TokenStream {
    let original = function.clone();
    expand_function(kind, arguments, function).unwrap_or_else(|error| {
        let error = error.into_compile_error();
        quote!(#error #original)
    })
}

fn expand_function(kind: &str, arguments: TokenStream, function: TokenStream) -> Result<TokenStream> {
    let function: ItemFn = parse2(function)?;
    function::check(&function, &format!("functools::{kind}"))?;
    let Options(calls) = parse2(arguments)?;
    let ItemFn { attrs, vis, sig, block } = function;
    let ReturnType::Type(_, output) = &sig.output else {
        return Err(Error::new_spanned(&sig, "a function with a cache gives a `Result`"));
    };
    let (patterns, names, types) = arguments_of(&sig)?;
    let (name, cache_name, make) =
        (&sig.ident, format_ident!("{}_cache", sig.ident), format_ident!("{kind}"));
    let key = quote!((#(#types,)*));
    let future = quote! {
        ::core::pin::Pin<::std::boxed::Box<dyn ::core::future::Future<Output = #output> + 'key>>
    };
    let pointer = quote!(for<'key> fn(&'key #key) -> #future);
    let value = quote!(<#output as ::anyio::functools::ReturnsResult>::Value);
    let cache = quote!(::anyio::functools::Cache<#key, #value, #pointer>);
    let of_cache = format!("The cache of [`{name}`] in the current run.");
    Ok(quote! {
        #(#attrs)*
        #vis async fn #name(#(#names: #types),*) -> #output {
            #cache_name().call((#(#names,)*)).await
        }

        #[doc = #of_cache]
        #vis fn #cache_name() -> ::std::rc::Rc<#cache> {
            fn function<'key>(key: &'key #key) -> #future {
                ::std::boxed::Box::pin(async move {
                    #[allow(unused_variables)]
                    let (#(#patterns,)*) = ::core::clone::Clone::clone(key);
                    #block
                })
            }
            fn new() -> #cache {
                let function: #pointer = function;
                ::anyio::functools::#make(function) #calls
            }
            static CACHE: ::std::sync::LazyLock<::anyio::lowlevel::RunVar<#cache>> =
                ::std::sync::LazyLock::new(|| ::anyio::lowlevel::RunVar::new().with_default(new));
            CACHE.get().expect("the variable has a default")
        }
    })
}

type Arguments<'a> = (Vec<&'a PatIdent>, Vec<&'a Ident>, Vec<&'a Type>);

/// The arguments as the function has them, their names, and their types.
fn arguments_of(signature: &syn::Signature) -> Result<Arguments<'_>> {
    let (mut patterns, mut names, mut types) = (Vec::new(), Vec::new(), Vec::new());
    for argument in &signature.inputs {
        let typed = match argument {
            FnArg::Typed(typed) => typed,
            FnArg::Receiver(receiver) => {
                let text =
                    "a method has no cache of its own: keep an `anyio::functools::Cache` in the object";
                return Err(Error::new_spanned(receiver, text));
            }
        };
        let Pat::Ident(pattern) = &*typed.pat else {
            return Err(Error::new_spanned(
                &typed.pat,
                "an argument of a function with a cache is a plain name",
            ));
        };
        patterns.push(pattern);
        names.push(&pattern.ident);
        types.push(&*typed.ty);
    }
    Ok((patterns, names, types))
}
