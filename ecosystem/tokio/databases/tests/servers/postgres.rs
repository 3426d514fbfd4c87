//! tokio-postgres, on streams of anyio.

use super::on_each;
use anyio::{Result, TaskGroup, move_on_after, task_group};
use anyio_tokio::postgres::{Client, connect};
use anyio_tokio_databases::Server;
use std::{io, time::Duration};
use tokio_postgres::{Config, NoTls, types::ToSql};

/// Runs a test with a group, on each back end, against a server that listens on TCP and on a socket in the file system.
fn with_server(
    test: impl for<'scope, 'env, 'c> AsyncFn(
        &'scope TaskGroup<'scope, 'env, anyio::Error>,
        &'c Config,
    ) -> Result<()>,
) {
    let Some(server) = Server::postgres().unwrap() else { return };
    let mut tcp = Config::new();
    tcp.host("127.0.0.1").port(server.port()).user("postgres").dbname("postgres");
    let mut unix = Config::new();
    unix.host_path(server.folder()).port(server.port()).user("postgres").dbname("postgres");
    on_each(|builder| {
        for config in [&tcp, &unix] {
            builder.run(async || task_group(async |group| test(group, config).await).await).unwrap().unwrap();
        }
    });
}

/// What the server does for others than the one that asks.
async fn busy(client: &Client<NoTls>, text: &str) -> Result<i64> {
    let parameters: &[&(dyn ToSql + Sync)] = &[&text];
    let row = client.cancellable(client.query_one(
        "select count(*) from pg_stat_activity where state = 'active' and query like $1 and pid <> pg_backend_pid()",
        parameters,
    ));
    Ok(row.await?.map_err(io::Error::other)?.get(0))
}

#[test]
fn a_query_is_answered_by_way_of_anyios_streams() {
    with_server(async |group, config| {
        let client = connect(group, config, NoTls).await?;
        let rows = client.cancellable(client.query("select * from generate_series(1, 10000)", &[])).await?;
        let sum: i64 = rows.unwrap().iter().map(|row| i64::from(row.get::<_, i32>(0))).sum();
        assert_eq!(sum, 50_005_000);
        Ok(())
    });
}

#[test]
fn a_query_that_a_scope_gives_up_is_cancelled_at_the_server() {
    with_server(async |group, config| {
        let client = connect(group, config, NoTls).await?;
        let watcher = connect(group, config, NoTls).await?;
        let scope = anyio::CancelScope::new();
        let ended = task_group(async |queries| -> Result<()> {
            queries.start_soon(async {
                let query = client.query_one("select pg_sleep(600)", &[]);
                scope
                    .run(async || client.cancellable(query).await)
                    .await
                    .map(|ended| assert!(ended.is_none()))
            });
            while busy(&watcher, "%pg_sleep(600)%").await? == 0 {
                anyio::sleep(Duration::from_millis(5)).await?;
            }
            scope.cancel();
            Ok(())
        });
        ended.await?;
        // The scope has ended only after the query has.
        assert_eq!(busy(&watcher, "%pg_sleep(600)%").await?, 0);
        // The connection goes on.
        let row = client.cancellable(client.query_one("select 7", &[])).await?.unwrap();
        assert_eq!(row.get::<_, i32>(0), 7);
        Ok(())
    });
}

#[test]
fn a_group_that_is_cancelled_has_the_query_cancelled_before_its_connection_ends() {
    with_server(async |group, config| {
        let watcher = connect(group, config, NoTls).await?;
        let given_up = move_on_after(Duration::from_millis(200), async {
            task_group(async |inner| -> Result<()> {
                let client = connect(inner, config, NoTls).await?;
                let query = client.query_one("select pg_sleep(700)", &[]);
                client.cancellable(query).await?.map_err(io::Error::other)?;
                Ok(())
            })
            .await?;
            anyio::Ok(())
        });
        assert!(given_up.await?.is_none());
        assert_eq!(busy(&watcher, "%pg_sleep(700)%").await?, 0);
        Ok(())
    });
}

#[test]
fn what_the_server_refuses_is_told_and_the_next_host_is_tried() {
    with_server(async |group, config| {
        let mut nobody = config.clone();
        nobody.dbname("there_is_none");
        let refused = connect(group, &nobody, NoTls).await.unwrap_err();
        assert!(
            refused.to_string().contains("there_is_none") || format!("{refused:?}").contains("there_is_none"),
            "{refused:?}"
        );
        let unreachable = anyio::testing::free_tcp_port()?;
        let mut two = Config::new();
        two.host("127.0.0.1").host(match &config.get_hosts()[0] {
            tokio_postgres::config::Host::Tcp(name) => name.clone(),
            tokio_postgres::config::Host::Unix(folder) => folder.to_str().unwrap().to_owned(),
        });
        two.port(unreachable).port(config.get_ports()[0]).user("postgres").dbname("postgres");
        let client = connect(group, &two, NoTls).await?;
        assert!(client.cancellable(client.simple_query("select 1")).await?.is_ok());
        Ok(())
    });
}
