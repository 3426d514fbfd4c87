//! Circles in a graph.

use std::collections::BTreeSet;

/// The sets of two or more nodes that all can be reached from each other.
pub(crate) fn find<'a, I: Iterator<Item = &'a str>>(
    nodes: impl Iterator<Item = &'a str>,
    arrows: impl Fn(&'a str) -> I,
) -> Vec<BTreeSet<&'a str>> {
    let nodes: Vec<&str> = nodes.collect();
    let reached = |from: &'a str| {
        let mut reached = BTreeSet::new();
        let mut open = vec![from];
        while let Some(node) = open.pop() {
            open.extend(arrows(node).filter(|&next| reached.insert(next)));
        }
        reached
    };
    let reached: Vec<BTreeSet<&str>> = nodes.iter().map(|&node| reached(node)).collect();
    let mut circles: Vec<BTreeSet<&str>> = Vec::new();
    for (node, from_it) in nodes.iter().zip(&reached) {
        if !from_it.contains(node) || circles.iter().any(|circle| circle.contains(node)) {
            continue;
        }
        let back = nodes
            .iter()
            .zip(&reached)
            .filter(|(other, from_other)| from_it.contains(*other) && from_other.contains(node));
        circles.push(back.map(|(&other, _)| other).collect());
    }
    circles
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles_of(arrows: &[(&'static str, &'static str)]) -> Vec<Vec<&'static str>> {
        let nodes: BTreeSet<&str> = arrows.iter().flat_map(|&(from, to)| [from, to]).collect();
        let found = find(nodes.into_iter(), |node| {
            arrows
                .iter()
                .filter(move |(from, _)| *from == node)
                .map(|&(_, to)| to)
                .collect::<Vec<_>>()
                .into_iter()
        });
        found.into_iter().map(|circle| circle.into_iter().collect()).collect()
    }

    #[test]
    fn arrows_in_one_direction_are_no_circle() {
        assert!(circles_of(&[("a", "b"), ("b", "c"), ("a", "c")]).is_empty());
    }

    #[test]
    fn each_circle_is_found_once_and_alone() {
        let arrows = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e"), ("e", "d"), ("e", "f")];
        assert_eq!(circles_of(&arrows), [vec!["a", "b", "c"], vec!["d", "e"]]);
    }
}
