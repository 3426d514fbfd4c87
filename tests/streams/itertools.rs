//! Combinators on streams of objects.

use anyio::{
    CancelScope, Error, Result, gather, itertools,
    itertools::{collect as all, from_iter},
    lowlevel,
    streams::{BoxedObjectReceiveStream, ObjectReceiveStream, memory},
    task_group,
};
use std::{cell::Cell, rc::Rc};

/// Says that nothing comes out of a stream in a cancelled scope, and that it goes on afterwards as if nothing had been.
async fn is_a_checkpoint<T>(mut stream: impl ObjectReceiveStream<Item = T>) -> Result<Vec<T>> {
    let mut items = Vec::new();
    loop {
        let scope = CancelScope::new();
        let given = scope
            .run(async || {
                scope.cancel();
                stream.receive().await
            })
            .await?;
        assert!(given.is_none(), "something was received in a cancelled scope");
        match stream.receive().await? {
            Some(item) => items.push(item),
            None => return Ok(items),
        }
    }
}

/// A stream that lets others have their turn before each item, and whose items are given by a channel.
async fn channel_of<T>(items: impl IntoIterator<Item = T>) -> Result<memory::ReceiveStream<T>> {
    let (sender, receiver) = memory::unbounded();
    for item in items {
        sender.send(item).await?;
    }
    Ok(receiver)
}

#[anyio::test]
async fn accumulate_gives_running_totals() -> Result<()> {
    let add = async |total: &i32, item: &i32| {
        lowlevel::checkpoint().await?;
        Ok(total + item)
    };
    assert_eq!(all(itertools::accumulate(from_iter(1..=4), None, add)).await?, [1, 3, 6, 10]);
    assert_eq!(all(itertools::accumulate(channel_of(1..=2).await?, 10, add)).await?, [10, 11, 13]);
    assert_eq!(all(itertools::accumulate(from_iter([0; 0]), None, add)).await?, []);
    assert_eq!(is_a_checkpoint(itertools::accumulate(from_iter(1..=3), 0, add)).await?, [0, 1, 3, 6]);
    Ok(())
}

#[anyio::test]
async fn batched_makes_groups() -> Result<()> {
    assert_eq!(all(itertools::batched(from_iter(0..5), 2)).await?, [vec![0, 1], vec![2, 3], vec![4]]);
    assert_eq!(all(itertools::batched(from_iter(0..4), 2).strict()).await?, [[0, 1], [2, 3]]);
    let mut incomplete = itertools::batched(from_iter(0..3), 2).strict();
    assert_eq!(incomplete.receive().await?, Some(vec![0, 1]));
    assert!(matches!(incomplete.receive().await, Err(Error::IncompleteRead)));
    assert_eq!(is_a_checkpoint(itertools::batched(from_iter(0..3), 2)).await?, [vec![0, 1], vec![2]]);
    assert!(all(itertools::batched(from_iter([0; 0]), 2)).await?.is_empty());
    Ok(())
}

#[anyio::test]
async fn a_batch_is_begun_when_it_is_asked_for() -> Result<()> {
    let taken = Rc::new(Cell::new(0));
    let counting = taken.clone();
    let source = from_iter((0..10).inspect(move |_| counting.set(counting.get() + 1)));
    let mut batches = itertools::batched(source, 3);
    batches.receive().await?;
    assert_eq!(taken.get(), 3);
    Ok(())
}

#[anyio::test]
async fn chain_gives_one_after_the_other() -> Result<()> {
    let streams = [vec![1, 2], vec![], vec![3]];
    assert_eq!(all(itertools::chain(streams.clone().map(from_iter))).await?, [1, 2, 3]);
    assert_eq!(
        all(itertools::chain_from_stream(from_iter(streams.clone().map(from_iter)))).await?,
        [1, 2, 3]
    );
    assert_eq!(all(itertools::chain([from_iter([0; 0])])).await?, []);
    assert_eq!(is_a_checkpoint(itertools::chain(streams.map(from_iter))).await?, [1, 2, 3]);
    Ok(())
}

#[anyio::test]
async fn choices_come_in_the_order_of_their_places() -> Result<()> {
    let abc = || from_iter(["a", "b", "c"]);
    let joined = async |stream: &mut dyn FnMut() -> Vec<Vec<&'static str>>| {
        stream().into_iter().map(|choice| choice.concat()).collect::<Vec<_>>()
    };
    let mut pairs = all(itertools::combinations(abc(), 2_usize)).await?;
    assert_eq!(joined(&mut || std::mem::take(&mut pairs)).await, ["ab", "ac", "bc"]);
    let mut pairs = all(itertools::combinations_with_replacement(abc(), 2_usize)).await?;
    assert_eq!(joined(&mut || std::mem::take(&mut pairs)).await, ["aa", "ab", "ac", "bb", "bc", "cc"]);
    let mut pairs = all(itertools::permutations(abc(), 2)).await?;
    assert_eq!(joined(&mut || std::mem::take(&mut pairs)).await, ["ab", "ac", "ba", "bc", "ca", "cb"]);
    assert_eq!(all(itertools::permutations(abc(), None)).await?.len(), 6);
    let mut pairs = all(itertools::product([abc(), abc()], 1)).await?;
    assert_eq!(
        joined(&mut || std::mem::take(&mut pairs)).await,
        ["aa", "ab", "ac", "ba", "bb", "bc", "ca", "cb", "cc"]
    );
    assert_eq!(all(itertools::product([abc()], 3)).await?.len(), 27);
    Ok(())
}

#[anyio::test]
async fn choices_of_nothing_and_of_too_much() -> Result<()> {
    let none = Vec::<Vec<i32>>::new();
    let empty = vec![Vec::<i32>::new()];
    assert_eq!(all(itertools::combinations(from_iter(0..2), 0_usize)).await?, empty);
    assert_eq!(all(itertools::combinations(from_iter(0..2), 3_usize)).await?, none);
    assert_eq!(all(itertools::combinations_with_replacement(from_iter(0..0), 1_usize)).await?, none);
    assert_eq!(all(itertools::combinations_with_replacement(from_iter(0..1), 2_usize)).await?, [[0, 0]]);
    assert_eq!(all(itertools::permutations(from_iter(0..2), 0)).await?, empty);
    assert_eq!(all(itertools::permutations(from_iter(0..2), 3)).await?, none);
    assert_eq!(all(itertools::product([from_iter(0..2)], 0)).await?, empty);
    assert_eq!(all(itertools::product([from_iter(0..2), from_iter(0..0)], 1)).await?, none);
    Ok(())
}

#[anyio::test]
async fn choosing_is_a_checkpoint_at_each_step() -> Result<()> {
    assert_eq!(is_a_checkpoint(itertools::combinations(from_iter(0..3), 2_usize)).await?.len(), 3);
    assert_eq!(is_a_checkpoint(itertools::combinations(from_iter(0..1), 2_usize)).await?.len(), 0);
    assert_eq!(is_a_checkpoint(itertools::permutations(from_iter(0..2), None)).await?.len(), 2);
    assert_eq!(is_a_checkpoint(itertools::product([from_iter(0..2), from_iter(0..2)], 1)).await?.len(), 4);
    Ok(())
}

#[anyio::test]
async fn compress_gives_what_is_selected() -> Result<()> {
    let selected =
        itertools::compress(from_iter("abcdef".chars()), from_iter([true, false, true, false, true]));
    assert_eq!(all(selected).await?, ['a', 'c', 'e']);
    let selected = itertools::compress(from_iter("ab".chars()), channel_of([false, true]).await?);
    assert_eq!(is_a_checkpoint(selected).await?, ['b']);
    Ok(())
}

#[anyio::test]
async fn streams_without_end() -> Result<()> {
    assert_eq!(all(itertools::islice(itertools::count(10, -3), ..3)).await?, [10, 7, 4]);
    assert_eq!(all(itertools::islice(itertools::cycle(from_iter(0..2)), ..5)).await?, [0, 1, 0, 1, 0]);
    assert_eq!(all(itertools::cycle(from_iter(0..0))).await?, []);
    assert_eq!(all(itertools::islice(itertools::repeat("x", None), ..2)).await?, ["x", "x"]);
    assert_eq!(all(itertools::repeat("x", 2)).await?, ["x", "x"]);
    assert_eq!(is_a_checkpoint(itertools::repeat("x", 2)).await?.len(), 2);
    assert_eq!(
        is_a_checkpoint(itertools::islice(itertools::cycle(from_iter(0..2)), ..4)).await?,
        [0, 1, 0, 1]
    );
    Ok(())
}

#[anyio::test]
async fn dropwhile_takewhile_and_filterfalse_ask_a_predicate() -> Result<()> {
    let small = async |number: &i32| {
        lowlevel::checkpoint().await?;
        Ok(*number < 3)
    };
    let numbers = [1, 2, 3, 1];
    assert_eq!(all(itertools::dropwhile(from_iter(numbers), small)).await?, [3, 1]);
    assert_eq!(all(itertools::takewhile(from_iter(numbers), small)).await?, [1, 2]);
    assert_eq!(all(itertools::filterfalse(from_iter(numbers), small)).await?, [3]);
    assert_eq!(is_a_checkpoint(itertools::dropwhile(from_iter(numbers), small)).await?, [3, 1]);
    assert_eq!(is_a_checkpoint(itertools::takewhile(from_iter(numbers), small)).await?, [1, 2]);
    assert_eq!(is_a_checkpoint(itertools::filterfalse(from_iter(numbers), small)).await?, [3]);
    Ok(())
}

#[anyio::test]
async fn takewhile_uses_up_the_first_that_fails() -> Result<()> {
    let mut source = from_iter([1, 9, 2]);
    let mut small = itertools::takewhile(&mut source, async |number: &i32| Ok(*number < 3));
    assert_eq!(small.receive().await?, Some(1));
    assert_eq!(small.receive().await?, None);
    assert_eq!(small.receive().await?, None, "it has ended");
    assert_eq!(source.receive().await?, Some(2));
    Ok(())
}

#[anyio::test]
async fn an_item_whose_predicate_was_cancelled_is_asked_about_again() -> Result<()> {
    let scope = CancelScope::new();
    let mut odd = itertools::filterfalse(from_iter(1..=2), async |number: &i32| {
        if *number == 1 {
            scope.cancel();
        }
        lowlevel::checkpoint().await?;
        Ok(number % 2 == 0)
    });
    assert!(scope.run(async || odd.receive().await).await?.is_none());
    assert_eq!(odd.receive().await?, Some(1));
    Ok(())
}

#[anyio::test]
async fn groupby_gives_runs_of_equal_keys() -> Result<()> {
    let groups =
        itertools::groupby(from_iter("AAbBa".chars()), async |letter: &char| Ok(letter.to_ascii_lowercase()));
    assert_eq!(all(groups).await?, [('a', vec!['A', 'A']), ('b', vec!['b', 'B']), ('a', vec!['a'])]);
    let none = itertools::groupby(from_iter(0..0), async |&number: &i32| Ok(number));
    assert!(is_a_checkpoint(none).await?.is_empty());
    Ok(())
}

#[anyio::test]
async fn islice_takes_no_more_than_it_needs() -> Result<()> {
    let mut source = from_iter(0..10);
    assert_eq!(all(itertools::islice(&mut source, 1..=5).step_by(2)).await?, [1, 3, 5]);
    assert_eq!(source.receive().await?, Some(6));
    assert_eq!(all(itertools::islice(&mut source, ..0)).await?, []);
    assert_eq!(source.receive().await?, Some(7));
    assert_eq!(all(itertools::islice(&mut source, 1..)).await?, [9]);
    assert_eq!(is_a_checkpoint(itertools::islice(from_iter(0..9), 2..6).step_by(3)).await?, [2, 5]);
    Ok(())
}

#[anyio::test]
async fn pairwise_gives_neighbours() -> Result<()> {
    assert_eq!(is_a_checkpoint(itertools::pairwise(from_iter(0..3))).await?, [(0, 1), (1, 2)]);
    assert_eq!(all(itertools::pairwise(from_iter(0..1))).await?, []);
    Ok(())
}

#[anyio::test]
async fn starmap_calls_with_each_item() -> Result<()> {
    let sums = itertools::starmap(from_iter([(1, 2), (3, 4)]), async |&(a, b): &(i32, i32)| Ok(a + b));
    assert_eq!(is_a_checkpoint(sums).await?, [3, 7]);
    Ok(())
}

#[anyio::test]
async fn zip_longest_fills_up() -> Result<()> {
    let rows = itertools::zip_longest([from_iter(0..3), from_iter(0..1)], -1);
    assert_eq!(is_a_checkpoint(rows).await?, [[0, 0], [1, -1], [2, -1]]);
    assert!(all(itertools::zip_longest([from_iter(0..0)], -1)).await?.is_empty());
    Ok(())
}

#[anyio::test]
async fn all_readers_of_a_tee_get_all_items_at_their_own_speed() -> Result<()> {
    let [mut fast, slow, third] = itertools::tee(channel_of(0..100).await?, usize::MAX);
    for expected in 0..50 {
        assert_eq!(fast.receive().await?, Some(expected));
    }
    let forked = fast.clone();
    let whole: Vec<i32> = (0..100).collect();
    assert_eq!(all(slow).await?, whole);
    assert_eq!(is_a_checkpoint(third).await?, whole);
    assert_eq!(all(fast).await?, whole[50..]);
    assert_eq!(all(forked).await?, whole[50..]);
    Ok(())
}

#[anyio::test]
async fn readers_of_a_tee_may_read_at_the_same_time() -> Result<()> {
    let (sender, receiver) = memory::channel(1);
    let readers: [_; 4] = itertools::tee(receiver, 2);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async move {
            for number in 0..50 {
                sender.send(number).await?;
            }
            Ok(())
        });
        let whole: Vec<i32> = (0..50).collect();
        for read in gather(readers.map(all)).await? {
            assert_eq!(read, whole);
        }
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_reader_of_a_tee_waits_for_the_slowest() -> Result<()> {
    let taken = Rc::new(Cell::new(0));
    let counting = taken.clone();
    let source = from_iter((0..10).inspect(move |_| counting.set(counting.get() + 1)));
    let [mut fast, mut slow] = itertools::tee(source, 2);
    fast.receive().await?;
    fast.receive().await?;
    task_group(async |tg| -> Result<()> {
        let third = tg.start_soon(async { fast.receive().await });
        anyio::testing::wait_all_tasks_blocked().await?;
        assert_eq!((taken.get(), third.is_finished()), (2, false));
        assert_eq!(slow.receive().await?, Some(0));
        assert_eq!(third.await?, Some(2));
        Ok(())
    })
    .await?;
    drop(slow);
    assert_eq!(all(fast).await?, [3, 4, 5, 6, 7, 8, 9], "who is gone holds nobody up");
    Ok(())
}

#[anyio::test]
async fn choices_of_more_than_any_memory_holds_are_none_where_there_are_none() -> Result<()> {
    let none = Vec::<Vec<i32>>::new();
    assert_eq!(all(itertools::combinations(from_iter(0..2), usize::MAX)).await?, none);
    assert_eq!(all(itertools::combinations_with_replacement(from_iter(0..0), usize::MAX)).await?, none);
    assert_eq!(all(itertools::permutations(from_iter(0..2), usize::MAX)).await?, none);
    assert_eq!(all(itertools::product([from_iter(0..2), from_iter(0..0)], usize::MAX)).await?, none);
    let of_nothing = itertools::product(Vec::<itertools::FromIter<std::ops::Range<i32>>>::new(), usize::MAX);
    assert_eq!(all(of_nothing).await?, [[0; 0]]);
    Ok(())
}

#[anyio::test]
async fn a_search_without_end_is_cancelled_and_a_part_of_one_is_taken() -> Result<()> {
    let searching = async || {
        let never = itertools::filterfalse(itertools::repeat(1, None), async |_: &i32| Ok(true));
        all(itertools::compress(never, itertools::repeat(true, None))).await
    };
    assert!(anyio::move_on_after(std::time::Duration::from_millis(5), searching()).await?.is_none());
    let waiting = async || all(itertools::combinations(itertools::cycle(from_iter(0..3)), 2_usize)).await;
    assert!(anyio::move_on_after(std::time::Duration::from_millis(5), waiting()).await?.is_none());
    let pairs = itertools::pairwise(itertools::batched(itertools::count(0, 1), 2));
    assert_eq!(all(itertools::islice(pairs, 1..2)).await?, [(vec![2, 3], vec![4, 5])]);
    Ok(())
}

#[test]
fn groups_of_nothing_are_refused() {
    assert!(std::panic::catch_unwind(|| itertools::batched(from_iter(0..3), 0)).is_err());
    assert!(std::panic::catch_unwind(|| itertools::tee::<_, 2>(from_iter(0..3), 0)).is_err());
    assert!(std::panic::catch_unwind(|| itertools::islice(from_iter(0..3), ..).step_by(0)).is_err());
}

#[anyio::test]
async fn a_reader_of_a_tee_that_goes_in_the_midst_of_receiving_holds_nobody_up() -> Result<()> {
    let (sender, receiver) = memory::channel(0);
    let [mut first, mut second] = itertools::tee(receiver, 1);
    task_group(async |tg| -> Result<()> {
        // It has the source, and the other waits for its turn.
        let asking = tg.start_soon(async move { first.receive().await });
        lowlevel::checkpoint().await?;
        let other =
            tg.start_soon(async move { anyio::Ok((second.receive().await?, second.receive().await?)) });
        anyio::testing::wait_all_tasks_blocked().await?;
        asking.cancel();
        sender.send(1).await?;
        sender.send(2).await?;
        assert_eq!(other.await?, (Some(1), Some(2)));
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn streams_of_different_types_are_chained_in_boxes() -> Result<()> {
    let streams = [
        BoxedObjectReceiveStream::new(from_iter(0..2)),
        BoxedObjectReceiveStream::new(itertools::repeat(7, 1)),
        BoxedObjectReceiveStream::new(channel_of([8]).await?),
    ];
    assert_eq!(all(itertools::chain(streams)).await?, [0, 1, 7, 8]);
    Ok(())
}
