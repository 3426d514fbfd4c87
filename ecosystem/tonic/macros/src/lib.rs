//! The attribute of `anyio-tonic`. It is re-exported there, where it is shown with an example.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, ImplItem, ImplItemFn, ItemImpl, Result, ReturnType, parse_quote, parse2};

/// On the implementation of a service's trait that tonic has generated: its methods are `async` functions whose futures need
/// not be `Send`, so they await anyio, and hold what stays on its thread.
///
/// Each stays on the thread that it was called on, and panics if it is polled on another one.
#[proc_macro_attribute]
pub fn local(arguments: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand(arguments.into(), item.into()).unwrap_or_else(Error::into_compile_error).into()
}

fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(arguments, "#[local] takes no arguments"));
    }
    let mut item: ItemImpl = parse2(item)
        .map_err(|error| Error::new(error.span(), "#[local] goes before an `impl` of a service"))?;
    for member in &mut item.items {
        if let ImplItem::Fn(method) = member
            && method.sig.asyncness.is_some()
        {
            keep_on_thread(method);
        }
    }
    Ok(quote! {
        #[::anyio_tonic::macros::async_trait]
        #item
    })
}

/// Has the body of a method polled on its thread only, so that its future is `Send`.
fn keep_on_thread(method: &mut ImplItemFn) {
    let body = &method.block;
    let output = match &method.sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, output) => quote!(#output),
    };
    // The type of the output is said first, as nothing else says which error `?` makes.
    method.block = parse_quote!({
        ::anyio_tonic::macros::on_thread(async move {
            #[allow(unreachable_code, clippy::diverging_sub_expression)]
            {
                if let ::core::option::Option::Some(__output) = ::core::option::Option::None::<#output> {
                    return __output;
                }
                let __output: #output = #body;
                __output
            }
        })
        .await
    });
}
