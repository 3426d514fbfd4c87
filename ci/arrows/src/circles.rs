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
