//! `#[anyio::main]`.

use crate::{function, options::Options};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, Ident, ItemFn, Result, parse2};

pub(crate) fn expand(arguments: TokenStream, function: TokenStream) -> TokenStream {
    let function: ItemFn = match parse2(function) {
        Ok(function) => function,
        Err(error) => return not_a_function(&error),
    };
    let name = function.sig.ident.clone();
    expand_function(arguments, function).unwrap_or_else(|error| {
        let error = error.into_compile_error();
        // The function itself saves the user a second error, that there is none.
        quote!(#error fn #name() {})
    })
}

fn not_a_function(error: &Error) -> TokenStream {
    Error::new(error.span(), "`#[anyio::main]` goes on an `async fn`").into_compile_error()
}

fn expand_function(arguments: TokenStream, function: ItemFn) -> Result<TokenStream> {
    function::check(&function, "main")?;
    let options: Options = parse2(arguments)?;
    if let Some(span) = options.several_backends {
        return Err(Error::new(span, "a program runs on one back end: use `backend = \"…\"`"));
    }
    if let Some((_, span)) = options.everywhere.first() {
        return Err(Error::new(*span, "only tests are cut short everywhere"));
    }
    if let Some(span) = options.calm {
        return Err(Error::new(span, "only tests have chaos"));
    }
    let calls = &options.calls;
    let backend = options.backends.first().map(|(backend, _)| {
        let path = backend.path();
        quote!(.backend(#path))
    });
    let builder = quote!(::anyio::Builder::new() #backend #calls);

    let ItemFn { attrs, vis, sig, block } = function;
    let (name, output) = (&sig.ident, &sig.output);
    let (outer_output, body) = if let Some((cores, _)) = &options.cores {
        (quote!(-> ::std::process::ExitCode), run_on_cores(&builder, cores, &sig)?)
    } else {
        let text = "`main` has no parameters, except for `&anyio::Core` together with `cores = …`";
        function::check_no_parameters(&sig, text)?;
        (quote!(#output), run(&builder, name))
    };
    Ok(quote! {
        #(#attrs)*
        #vis fn #name() #outer_output {
            #sig #block
            ::anyio::entry::of_program();
            #body
        }
    })
}

fn run(builder: &TokenStream, name: &Ident) -> TokenStream {
    quote! {
        #[allow(unused_imports)]
        use ::anyio::entry::{OfAnything as _, OfResult as _};
        let value = ::anyio::entry::run(&#builder, #name);
        let is_cancelled = (&::anyio::entry::Came(&value)).is_cancelled();
        ::anyio::entry::end(value, is_cancelled)
    }
}

fn run_on_cores(builder: &TokenStream, cores: &syn::Expr, signature: &syn::Signature) -> Result<TokenStream> {
    let name = &signature.ident;
    if let Some(parameter) = signature.inputs.iter().nth(1) {
        return Err(Error::new_spanned(parameter, "`main` has at most one parameter, `&anyio::Core`"));
    }
    let call = if signature.inputs.is_empty() { quote!(#name()) } else { quote!(#name(core)) };
    let main = if function::gives_unit(signature) {
        quote!(async |core: &::anyio::Core| {
            let _ = core;
            #call.await;
            ::anyio::entry::note_end();
            ::core::result::Result::<(), ::anyio::Error>::Ok(())
        })
    } else {
        quote!(async |core: &::anyio::Core| {
            let _ = core;
            let value = #call.await;
            ::anyio::entry::note_end();
            value
        })
    };
    Ok(quote! {
        // The standard library tells of errors, quietly where nobody reads that.
        ::std::process::Termination::report(#builder.run_on_cores(#cores, #main).map(|values| {
            ::anyio::entry::end(::std::process::ExitCode::SUCCESS, values.is_none())
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(arguments: TokenStream, function: TokenStream) -> String {
        expand_function(arguments, parse2(function).unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_not_async_is_refused() {
        assert_eq!(
            refusal(
                quote!(),
                quote!(
                    fn main() {}
                )
            ),
            "`#[anyio::main]` goes on an `async fn`"
        );
        let refused = expand(
            quote!(),
            quote!(
                struct Main;
            ),
        )
        .to_string();
        assert!(refused.contains("goes on an `async fn`"), "{refused}");
    }

    #[test]
    fn generic_functions_are_refused() {
        let text = refusal(
            quote!(),
            quote!(
                async fn main<T>() {}
            ),
        );
        assert_eq!(text, "a function with `#[anyio::main]` cannot be generic");
    }

    #[test]
    fn parameters_are_refused_unless_there_are_cores() {
        let function = quote!(
            async fn main(core: &Core) {}
        );
        assert!(refusal(quote!(), function.clone()).contains("together with `cores = …`"));
        assert!(expand_function(quote!(cores = 2), parse2(function).unwrap()).is_ok());
        let two = refusal(
            quote!(cores = 2),
            quote!(
                async fn main(core: &Core, more: u8) {}
            ),
        );
        assert!(two.contains("at most one parameter"), "{two}");
    }

    #[test]
    fn wrong_arguments_are_refused_by_name() {
        let main = || {
            quote!(
                async fn main() {}
            )
        };
        assert!(refusal(quote!(backend = "epoll"), main()).starts_with("no back end is called \"epoll\""));
        assert!(refusal(quote!(flavor = "x"), main()).starts_with("`flavor` is not an option"));
        assert_eq!(refusal(quote!(cores = 0), main()), "a program needs at least one core");
        assert_eq!(refusal(quote!(spin_us = 1, spin_us = 2), main()), "`spin_us` is given twice");
        assert!(refusal(quote!(backends("uring")), main()).starts_with("a program runs on one back end"));
        assert!(
            refusal(quote!(worker_threads = 0), main()).contains("at least one worker thread"),
            "no threads at all"
        );
    }

    #[test]
    fn options_reach_the_builder() {
        let expanded = expand(
            quote!(backend = "poll", ring_entries = 8, receive_buffers = 4, spin_us = 5),
            quote!(
                async fn main() {}
            ),
        );
        let text = expanded.to_string().replace(' ', "");
        assert!(
            text.contains(".backend(::anyio::Backend::Poll).ring_entries(8).receive_buffers(4).spin("),
            "{text}"
        );
    }
}
