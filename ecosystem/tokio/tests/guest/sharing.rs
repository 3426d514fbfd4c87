//! Neither keeps the other from going on.

use super::on_each;
use anyio::{Result, lowlevel::checkpoint, task_group};
use std::{cell::Cell, rc::Rc};

#[test]
fn a_run_that_always_has_something_to_do_lets_tasks_of_tokios_go_on() {
    on_each(|builder| {
        let run = anyio_tokio::run(builder, async || -> Result<()> {
            let ended = Rc::new(Cell::new(false));
            tokio::task::spawn_local({
                let ended = ended.clone();
                async move {
                    for _ in 0..100 {
                        tokio::task::yield_now().await;
                    }
                    ended.set(true);
                }
            });
            while !ended.get() {
                checkpoint().await?;
            }
            Ok(())
        });
        run.unwrap().unwrap();
    });
}

#[test]
fn tasks_of_tokios_that_always_have_something_to_do_let_a_run_go_on() {
    on_each(|builder| {
        let run = anyio_tokio::run(builder, async || -> Result<()> {
            let ended = Rc::new(Cell::new(false));
            tokio::task::spawn_local({
                let ended = ended.clone();
                async move {
                    while !ended.get() {
                        tokio::task::yield_now().await;
                    }
                }
            });
            task_group(async |group| -> Result<()> {
                for _ in 0..10 {
                    group.start_soon(async {
                        for _ in 0..10 {
                            checkpoint().await?;
                            anyio::sleep(std::time::Duration::from_millis(1)).await?;
                        }
                        Ok(())
                    });
                }
                Ok(())
            })
            .await?;
            ended.set(true);
            Ok(())
        });
        run.unwrap().unwrap();
    });
}
