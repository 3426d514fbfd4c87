//! sqlx, unwrapped.

use super::on_each;
use anyio::{Result, foreign, move_on_after, task_group};
use anyio_tokio_databases::Server;
use sqlx::{PgPool, Row, postgres::PgPoolOptions};
use std::time::Duration;

async fn busy(pool: &PgPool, text: &str) -> i64 {
    let counted = sqlx::query(
        "select count(*) from pg_stat_activity where state = 'active' and query like $1 and pid <> pg_backend_pid()",
    );
    counted.bind(text).fetch_one(pool).await.unwrap().get(0)
}

#[test]
fn a_pool_serves_tasks_of_a_guest_and_a_query_that_is_given_up_ends_at_the_server() {
    let Some(server) = Server::postgres().unwrap() else { return };
    on_each(|builder| {
        let run = anyio_tokio::run(builder, async || -> Result<()> {
            let address = format!("postgres://postgres@127.0.0.1:{}/postgres", server.port());
            // The server looks now and then whether the client of a query is still there.
            let options = PgPoolOptions::new().max_connections(4).after_connect(|connection, _| {
                Box::pin(async move {
                    sqlx::query("set client_connection_check_interval = 50")
                        .execute(connection)
                        .await
                        .map(drop)
                })
            });
            let pool = options.connect(&address).await.unwrap();
            task_group(async |group| -> Result<()> {
                for number in 0..50_i32 {
                    let pool = &pool;
                    group.start_soon(async move {
                        let row = sqlx::query("select $1 + 1").bind(number).fetch_one(pool).await.unwrap();
                        assert_eq!(row.get::<i32, _>(0), number + 1);
                    });
                }
                Ok(())
            })
            .await?;
            let mut detached = pool.acquire().await.unwrap().detach();
            let given_up = move_on_after(Duration::from_millis(100), async {
                anyio::Ok(foreign(sqlx::query("select pg_sleep(800)").execute(&mut detached)).await?)
            });
            assert!(given_up.await?.is_none());
            drop(detached);
            while busy(&pool, "%pg_sleep(800)%").await > 0 {
                anyio::sleep(Duration::from_millis(5)).await?;
            }
            pool.close().await;
            Ok(())
        });
        run.unwrap().unwrap();
    });
}
