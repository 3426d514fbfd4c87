//! What both attributes ask of the function they stand on.

use syn::{Error, ItemFn, Result, ReturnType, Signature, Type, spanned::Spanned};

/// Checks that it is a plain `async fn`. `attribute` names what it stands below.
pub(crate) fn check(function: &ItemFn, attribute: &str) -> Result<()> {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        let text = format!("`#[anyio::{attribute}]` goes on an `async fn`");
        return Err(Error::new(signature.fn_token.span, text));
    }
    let unexpected = if let Some(token) = &signature.constness {
        Some((token.span(), "be `const`"))
    } else if let Some(token) = &signature.unsafety {
        Some((token.span(), "be `unsafe`"))
    } else if let Some(abi) = &signature.abi {
        Some((abi.span(), "have another ABI"))
    } else if !signature.generics.params.is_empty() {
        Some((signature.generics.span(), "be generic"))
    } else {
        signature.generics.where_clause.as_ref().map(|bounds| (bounds.span(), "have a `where` clause"))
    };
    match unexpected {
        Some((span, what)) => {
            Err(Error::new(span, format!("a function with `#[anyio::{attribute}]` cannot {what}")))
        }
        None => Ok(()),
    }
}

/// Refuses parameters, with a text that says why.
pub(crate) fn check_no_parameters(signature: &Signature, text: &str) -> Result<()> {
    if signature.inputs.is_empty() { Ok(()) } else { Err(Error::new(signature.inputs.span(), text)) }
}

/// Whether the function gives `()`.
pub(crate) fn gives_unit(signature: &Signature) -> bool {
    match &signature.output {
        ReturnType::Default => true,
        ReturnType::Type(_, given) => matches!(&**given, Type::Tuple(tuple) if tuple.elems.is_empty()),
    }
}
