//! `#[anyio::test]` and `#[anyio::main]`.

use anyio::{Backend, Result, current_backend, sleep};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

#[anyio::test]
async fn a_test_is_run_within_a_runtime() {
    assert!(current_backend().is_some());
}

#[anyio::test(backend = "poll")]
async fn a_test_is_run_on_the_chosen_back_end() {
    assert_eq!(current_backend(), Some(Backend::Poll));
}

#[anyio::test(backends("uring"), ring_entries = 8, receive_buffers = 2, receive_buffer_size = 512)]
async fn a_test_takes_the_options_of_the_builder() {
    assert_eq!(current_backend(), Some(Backend::Uring));
}

#[anyio::test]
async fn a_test_may_give_a_result() -> Result<usize> {
    sleep(Duration::ZERO).await?;
    Ok(1)
}

#[anyio::test]
async fn a_test_may_have_an_error_of_any_kind() -> std::result::Result<(), String> {
    Ok(())
}

#[anyio::test]
#[should_panic(expected = "as it should")]
async fn a_test_may_panic() {
    panic!("as it should");
}

#[anyio::test]
#[ignore = "is never to be run"]
async fn an_ignored_test_is_not_run() {
    unreachable!();
}

#[anyio::test]
#[cfg(any())]
async fn a_test_may_be_left_out() {
    this_does_not_exist();
}

mod program {
    use super::*;

    static CORES: AtomicUsize = AtomicUsize::new(0);

    #[anyio::main(backend = "poll", teardown_limit_ms = 100)]
    async fn sum() -> Result<usize> {
        assert_eq!(current_backend(), Some(Backend::Poll));
        sleep(Duration::ZERO).await?;
        Ok(2)
    }

    #[anyio::main(backend = "poll", cores = 1 + 1)]
    async fn on_cores(core: &anyio::Core) {
        CORES.fetch_add(core.index() + 1, Ordering::SeqCst);
    }

    #[anyio::main(backend = "poll", cores = 2)]
    async fn on_cores_without_parameter() -> anyhow::Result<()> {
        CORES.fetch_add(100, Ordering::SeqCst);
        Ok(())
    }

    #[anyio::main(backend = "poll", cores = 2)]
    async fn failing_on_a_core(core: &anyio::Core) -> Result<()> {
        if core.index() == 1 { Err(anyio::Error::WouldBlock) } else { Ok(()) }
    }

    #[test]
    fn a_main_function_gives_its_value() {
        assert_eq!(sum().unwrap(), 2);
    }

    #[test]
    fn a_main_function_runs_on_cores() {
        use std::process::ExitCode;
        assert_eq!(on_cores(), ExitCode::SUCCESS);
        assert_eq!(CORES.load(Ordering::SeqCst), 3);
        assert_eq!(on_cores_without_parameter(), ExitCode::SUCCESS);
        assert_eq!(CORES.load(Ordering::SeqCst), 203);
        assert_eq!(failing_on_a_core(), ExitCode::FAILURE);
    }
}
