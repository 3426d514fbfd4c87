//! HTTP by anyio: what was received is parsed where it lies.

use std::mem::take;

use anyio::net::TcpStream;

use crate::measuring::http::Session;

pub(super) async fn answer(stream: TcpStream) -> anyio::Result<()> {
    let mut session = Session::default();
    while let Some(chunk) = stream.receive().await? {
        session.take(&chunk)?;
        if !session.answers().is_empty() {
            let (sent, mut answers) = stream.send_buf(take(session.answers())).await;
            sent?;
            answers.clear();
            *session.answers() = answers;
        }
    }
    Ok(())
}
