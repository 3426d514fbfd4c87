//! Which modules of a folder need which.

use crate::{
    circles,
    modules::{Index, Modules},
};
use std::collections::{BTreeMap, BTreeSet};

/// The modules that lie beside each other, and the arrows between them.
pub(crate) struct Graph {
    folder: String,
    /// For each module those that it needs, and one of the places where it names them.
    arrows: BTreeMap<String, BTreeMap<String, String>>,
}

impl Graph {
    /// The graphs of all modules that have others below them.
    pub(crate) fn of_folders(modules: &Modules) -> Vec<Self> {
        let mut folders: BTreeMap<Index, Self> = BTreeMap::new();
        for (module, _) in modules.all() {
            for (place, named) in modules.named_by(module) {
                let Some((folder, from, to)) = siblings(modules, module, named) else { continue };
                let graph = folders
                    .entry(folder)
                    .or_insert_with(|| Self { folder: modules.full_name(folder), arrows: BTreeMap::new() });
                let name = |module: Index| {
                    modules.full_name(module).rsplit("::").next().unwrap_or_default().to_owned()
                };
                let arrows = graph.arrows.entry(name(from)).or_default();
                arrows.entry(name(to)).or_insert_with(|| place.to_owned());
                graph.arrows.entry(name(to)).or_default();
            }
        }
        folders.into_values().collect()
    }

    pub(crate) fn folder(&self) -> &str {
        &self.folder
    }

    /// The sets of modules that need each other.
    pub(crate) fn circles(&self) -> Vec<BTreeSet<&str>> {
        circles::find(self.arrows.keys().map(|name| &**name), |name| {
            self.arrows.get(name).into_iter().flat_map(|arrows| arrows.keys().map(|name| &**name))
        })
    }

    /// The modules in layers, the highest first, if there is no circle: each as low as what it needs lets it.
    pub(crate) fn layers(&self) -> Vec<Vec<&str>> {
        let mut layers: Vec<Vec<&str>> = Vec::new();
        let mut left: BTreeSet<&str> = self.arrows.keys().map(|name| &**name).collect();
        while !left.is_empty() {
            let is_lowest = |name: &&str| self.arrows[*name].keys().all(|needed| !left.contains(&**needed));
            let layer: Vec<&str> = left.iter().copied().filter(is_lowest).collect();
            if layer.is_empty() {
                break;
            }
            left.retain(|name| !layer.contains(name));
            layers.push(layer);
        }
        layers.reverse();
        layers
    }

    /// The arrows between these modules, written out.
    pub(crate) fn arrows_within(&self, circle: &BTreeSet<&str>) -> Vec<String> {
        let within = self.arrows.iter().filter(|(from, _)| circle.contains(&***from));
        within
            .flat_map(|(from, arrows)| arrows.iter().map(move |(to, place)| (from, to, place)))
            .filter(|(_, to, _)| circle.contains(&***to))
            .map(|(from, to, place)| format!("{from} -> {to}  ({place})"))
            .collect()
    }
}

/// The folder in which both modules lie, and the two modules beside each other in it that they belong to. None if one
/// lies within the other.
fn siblings(modules: &Modules, from: Index, to: Index) -> Option<(Index, Index, Index)> {
    let chain = |module| {
        let mut chain: Vec<Index> = modules.and_those_around(module).collect();
        chain.reverse();
        chain
    };
    let (from, to) = (chain(from), chain(to));
    let common = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
    Some((from[common - 1], *from.get(common)?, *to.get(common)?))
}
