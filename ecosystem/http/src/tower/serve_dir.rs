//! A folder as a service.

use super::local::LocalFuture;
use crate::files::{FileBody, ServeDir};
use http::{Request, Response, StatusCode};
use std::{
    convert::Infallible,
    task::{Context, Poll},
};
use tower_service::Service;

impl<B> Service<Request<B>> for ServeDir {
    type Response = Response<FileBody>;
    type Error = Infallible;
    type Future = LocalFuture<Result<Response<FileBody>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let folder = self.clone();
        let request = request.map(drop);
        LocalFuture::new(async move {
            Ok(folder.answer(&request).await.unwrap_or_else(|_cancelled| {
                let mut answer = Response::new(FileBody::default());
                *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                answer
            }))
        })
    }
}
