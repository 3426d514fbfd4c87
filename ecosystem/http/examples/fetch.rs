//! Fetches what URLs lead to, all at the same time, and prints how each came out: `fetch http://localhost:8080/ …`. Proxies are
//! those of the environment (`HTTP_PROXY`, `NO_PROXY`).

use anyio::{Result, amap};
use anyio_http::{Client, ClientError, ClientOptions};
use std::{env, error::Error as _, time::Duration};

async fn fetch(client: &Client, url: &str) -> Result<String, ClientError> {
    let answer = client.get(url).send().await?.error_for_status()?;
    let (version, url) = (answer.version(), answer.url().clone());
    let body = answer.bytes().await?;
    Ok(format!(
        "{url}: {} bytes by {version:?}: {}",
        body.len(),
        String::from_utf8_lossy(&body[..body.len().min(60)])
    ))
}

#[anyio::main]
async fn main() -> Result<()> {
    let options = ClientOptions::new().timeout(Duration::from_secs(30));
    options
        .run(async |client| {
            let fetched =
                amap(async |url: String| anyio::Ok(fetch(client, &url).await), env::args().skip(1)).await?;
            for outcome in fetched {
                match outcome {
                    Ok(line) => println!("{}", line.trim_end()),
                    Err(error) => {
                        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
                        println!("FAILED: {error}{cause}");
                    }
                }
            }
            anyio::Ok(())
        })
        .await
}
