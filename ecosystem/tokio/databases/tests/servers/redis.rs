//! redis, on streams of anyio and as a guest.

use super::on_each;
use anyio::{Result, foreign, move_on_after, task_group};
use anyio_tokio_databases::Server;
use redis::{AsyncCommands, aio::MultiplexedConnection};
use std::time::Duration;

async fn count_up(connection: &MultiplexedConnection, key: &str, tasks: usize) -> Result<usize> {
    task_group(async |group| -> Result<()> {
        for _ in 0..tasks {
            let mut connection = connection.clone();
            group.start_soon(async move {
                for _ in 0..50 {
                    let _: usize = foreign(connection.incr(key, 1)).await?.unwrap();
                }
                anyio::Ok(())
            });
        }
        Ok(())
    })
    .await?;
    Ok(foreign(connection.clone().get(key)).await?.unwrap())
}

#[test]
fn many_tasks_share_a_connection_on_a_stream_of_anyios() {
    let Some(server) = Server::redis().unwrap() else { return };
    let tcp = format!("redis://127.0.0.1:{}/", server.port());
    let unix = format!("unix://{}", server.folder().join("redis").display());
    on_each(|builder| {
        for address in [&tcp, &unix] {
            let counted = builder.run(async || -> Result<()> {
                task_group(async |group| -> Result<()> {
                    let mut connection = anyio_tokio::redis::connect(group, address.as_str()).await?;
                    let () = foreign(connection.del("count")).await?.unwrap();
                    assert_eq!(count_up(&connection, "count", 20).await?, 1000);
                    // A command that waits for ever is given up, and the others go on.
                    let mut waiting = anyio_tokio::redis::connect(group, address.as_str()).await?;
                    let given_up = move_on_after(Duration::from_millis(20), async {
                        anyio::Ok(
                            foreign(waiting.blpop::<_, Option<(String, String)>>("nothing", 0.0)).await?,
                        )
                    });
                    assert!(given_up.await?.is_none());
                    assert_eq!(count_up(&connection, "count", 1).await?, 1050);
                    Ok(())
                })
                .await?;
                Ok(())
            });
            counted.unwrap().unwrap();
        }
    });
}

#[test]
fn a_connection_that_redis_makes_itself_works_in_a_guest() {
    let Some(server) = Server::redis().unwrap() else { return };
    on_each(|builder| {
        let counted = anyio_tokio::run(builder, async || -> Result<usize> {
            let client = redis::Client::open(format!("redis://127.0.0.1:{}/", server.port())).unwrap();
            let mut connection = client.get_multiplexed_async_connection().await.unwrap();
            let () = connection.del("guest").await.unwrap();
            count_up(&connection, "guest", 20).await
        });
        assert_eq!(counted.unwrap().unwrap(), 1000);
    });
}
