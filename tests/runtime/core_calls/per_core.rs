//! What each core does and has for itself.

use super::{flag, forever, is_set, set, with_other};
use crate::peers::until;
use anyio::{Builder, Core, Error, Result, cores::PerCore, cross::Event, task_group, testing::test_backends};
use std::{
    cell::RefCell,
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering},
};

#[test]
fn a_broadcast_reaches_all_cores() {
    for backend in test_backends() {
        let over = Event::new();
        let ended =
            Builder::new().backend(backend).run_on_cores(3, async |core: &Core| -> Result<Vec<usize>> {
                if core.index() != 1 {
                    over.wait().await?;
                    return Ok(Vec::new());
                }
                let all = core
                    .broadcast(async |core: &Core| -> Result<usize> {
                        assert_eq!(Core::current().as_ref(), Some(core));
                        Ok(core.index() * 10)
                    })
                    .await;
                let failed = core
                    .broadcast(async |core: &Core| -> Result<()> {
                        if core.index() == 2 { Err(Error::WouldBlock) } else { forever().await }
                    })
                    .await;
                assert!(matches!(failed.unwrap_err().into_single(), Ok(Error::WouldBlock)));
                over.set();
                Ok(all?)
            });
        assert_eq!(ended.unwrap().unwrap()[1], [0, 10, 20]);
    }
}

#[test]
fn each_core_has_a_value_of_its_own() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    // Neither `Send` nor `Sync`.
    struct Own(Rc<RefCell<Vec<usize>>>);
    impl Drop for Own {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::SeqCst);
        }
    }
    static OWN: PerCore<Own> = PerCore::new(|| {
        MADE.fetch_add(1, Ordering::SeqCst);
        Own(Rc::default())
    });
    for backend in test_backends() {
        MADE.store(0, Ordering::SeqCst);
        DROPPED.store(0, Ordering::SeqCst);
        let over = Event::new();
        let ended = Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<()> {
            if core.index() == 1 {
                return Ok(over.wait().await?);
            }
            for number in 0..3 {
                for core in core.all() {
                    OWN.on(&core, move |own| own.0.borrow_mut().push(number)).await?;
                }
            }
            OWN.here().0.borrow_mut().push(9);
            let all = OWN.on_each(core, |own| own.0.borrow().clone()).await?;
            assert_eq!(all, [vec![0, 1, 2, 9], vec![0, 1, 2]]);
            over.set();
            Ok(())
        });
        assert!(ended.unwrap().is_some());
        assert_eq!((MADE.load(Ordering::SeqCst), DROPPED.load(Ordering::SeqCst)), (2, 2));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_core_says_how_busy_it_is() {
    with_other(async |core, other| {
        let enough = flag();
        let told = enough.clone();
        task_group(async |tg| -> Result<()> {
            // It keeps its whole thread busy.
            tg.spawn_on(other, async move || {
                while !is_set(&told) {
                    std::hint::spin_loop();
                }
                Ok(())
            });
            // However little of a processor it gets.
            until(|| other.utilisation() > 2.0 * core.utilisation()).await?;
            assert!((0.0..=1.0).contains(&other.utilisation()));
            set(&enough);
            Ok(())
        })
        .await?;
        until(|| other.utilisation() < 0.2).await
    });
}
