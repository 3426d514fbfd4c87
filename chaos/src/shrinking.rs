//! Finding the few decisions that matter.

use crate::Decision;

/// The fewest of some decisions with which something still fails, as far as dropping them by parts can tell: first halves
/// are left out, then smaller parts, and in the end each by itself (delta debugging, by Andreas Zeller). `fails` is asked
/// at most `attempts` times.
///
/// The result is the last set for which `fails` was true, or all of them.
pub fn shrink(
    decisions: &[Decision],
    attempts: usize,
    mut fails: impl FnMut(&[Decision]) -> bool,
) -> Vec<Decision> {
    let mut left = decisions.to_vec();
    let (mut parts, mut attempts) = (2, attempts);
    while !left.is_empty() && attempts > 0 {
        let size = left.len().div_ceil(parts);
        let mut reduced = false;
        let mut start = 0;
        while start < left.len() && attempts > 0 {
            let end = left.len().min(start + size);
            let without: Vec<Decision> = left[..start].iter().chain(&left[end..]).copied().collect();
            attempts -= 1;
            if fails(&without) {
                left = without;
                reduced = true;
            } else {
                start = end;
            }
        }
        if size == 1 && !reduced {
            break;
        }
        parts = if reduced { 2 } else { parts * 2 }.min(left.len().max(1));
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fault;
    use anyio_driver::OpKind;

    fn decision(number: u64) -> Decision {
        Decision { kind: OpKind::Send.into(), number, fault: Fault::Short }
    }

    #[test]
    fn what_does_not_matter_is_dropped() {
        let all: Vec<Decision> = (1..=100).map(decision).collect();
        for guilty in [vec![1], vec![100], vec![17, 18], vec![3, 50, 99], vec![]] {
            let guilty: Vec<Decision> = guilty.into_iter().map(decision).collect();
            let left = shrink(&all, 1_000, |some| guilty.iter().all(|one| some.contains(one)));
            assert_eq!(left, guilty);
        }
    }

    #[test]
    fn it_comes_to_an_end() {
        let all: Vec<Decision> = (1..=100).map(decision).collect();
        let mut asked = 0;
        let left = shrink(&all, 5, |_| {
            asked += 1;
            true
        });
        assert!(asked <= 5 && left.len() < 100);
        assert_eq!(shrink(&all, 1_000, |_| false), all);
        assert_eq!(shrink(&[], 10, |_| true), []);
    }
}
