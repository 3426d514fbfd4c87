async fn echo(stream: TcpStream) -> Result<()> {
    while let Some(chunk) = stream.receive().await? {
        stream.send(chunk).await?;
    }
    stream.close().await
}
