//! Forms with files.

use super::options;
use crate::meeting::Meeting;
use anyio::streams::ByteSendStream;
use anyio::{Result, task_group, tempfile::TemporaryDirectory, testing::memory_stream_pair};
use anyio_http::{
    Server,
    axum::local,
    multipart::{Form, Part},
    tower,
};
use axum::{Router, extract::Multipart, http::HeaderMap, routing::post};
use std::rc::Rc;

async fn list(headers: HeaderMap, mut form: Multipart) -> String {
    let mut lines = vec![format!("length known: {}", headers.contains_key("content-length"))];
    while let Some(field) = form.next_field().await.unwrap() {
        let (name, file) = (field.name().map(str::to_owned), field.file_name().map(str::to_owned));
        let kind = field.content_type().map(str::to_owned);
        let bytes = field.bytes().await.unwrap();
        lines.push(format!("{name:?} {file:?} {kind:?} {}", bytes.len()));
    }
    lines.join("\n")
}

#[anyio::test]
async fn a_form_arrives_as_it_was_put_together() -> Result<()> {
    let folder = TemporaryDirectory::new().await?;
    let file = folder.path().join("bytes.bin");
    file.write_bytes(vec![7; 300_000]).await?;
    for only_http2 in [false, true] {
        let meeting = Rc::new(Meeting::new());
        task_group(async |tg| -> Result<()> {
            let router: Router = Router::new().route("/", post(local(list)));
            tg.start_soon(async { Server::new().serve(&*meeting, tower(router)).await });
            let client = options(&meeting).only_http2(only_http2).in_group(tg);
            let form = Form::new()
                .text("empty", "")
                .text("a \"name\"\r\n", "--and a text\r\n--")
                .part("file", Part::file(&file).await?.content_type("image/png"))
                .part("bytes", Part::bytes("12345").file_name("five"));
            let answer = client.post("http://h/").multipart(form).send().await?.error_for_status()?;
            let expected = "length known: true\n\
                Some(\"empty\") None None 0\n\
                Some(\"a %22name%22%0D%0A\") None None 16\n\
                Some(\"file\") Some(\"bytes.bin\") Some(\"image/png\") 300000\n\
                Some(\"bytes\") Some(\"five\") Some(\"application/octet-stream\") 5";
            assert_eq!(answer.text().await?, expected);
            // One whose length nobody knows.
            let (mut ours, theirs) = memory_stream_pair();
            ours.send("streamed").await?;
            ours.send_eof().await?;
            let form = Form::new().part("stream", Part::stream(theirs, None));
            let answer = client.post("http://h/").multipart(form).send().await?.text().await?;
            assert_eq!(
                answer,
                "length known: false\nSome(\"stream\") None Some(\"application/octet-stream\") 8"
            );
            tg.cancel();
            Ok(())
        })
        .await?;
    }
    Ok(())
}
