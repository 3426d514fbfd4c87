//! Who is at the other side.

use crate::ConnectionInfo;
use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};

/// By [`with_connection_info`](crate::tower::with_connection_info) around the router.
impl<S: Sync> FromRequestParts<S> for ConnectionInfo {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let missing = "the router is served without `with_connection_info` around it";
        parts.extensions.get::<Self>().cloned().ok_or((StatusCode::INTERNAL_SERVER_ERROR, missing))
    }
}
