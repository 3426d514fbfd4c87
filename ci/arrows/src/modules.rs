//! The modules of a crate, and what each names of the others.

use crate::scan::Scanned;
use proc_macro2::TokenStream;
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

/// Names a module: its place in the list.
pub(crate) type Index = usize;

/// A module of the crate. Where it has several files, each for other hosts, it is all of them.
#[derive(Debug, Default)]
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) parent: Option<Index>,
    children: HashMap<String, Index>,
    imports: HashMap<String, Vec<Vec<String>>>,
    mentions: Vec<Mention>,
    calls: Vec<Mention>,
}

#[derive(Debug)]
struct Mention {
    path: Vec<String>,
    place: String,
}

/// All modules of a crate, the root first.
#[derive(Debug)]
pub(crate) struct Modules(Vec<Module>);

impl Modules {
    /// Reads the crate whose root is this file.
    ///
    /// # Errors
    /// A file that cannot be read, or is no Rust.
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        let mut modules = Self(vec![Module { name: "crate".into(), ..Module::default() }]);
        let folder = root.parent().unwrap_or(Path::new("")).to_owned();
        modules.read_file(0, root, &folder)?;
        Ok(modules)
    }

    /// `folder` is where the modules below that of the file lie.
    fn read_file(&mut self, module: Index, file: &Path, folder: &Path) -> Result<(), String> {
        let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let tokens: TokenStream = text.parse().map_err(|error| format!("{}: {error}", file.display()))?;
        self.take(module, Scanned::new(tokens), file, folder)
    }

    fn take(&mut self, module: Index, scanned: Scanned, file: &Path, folder: &Path) -> Result<(), String> {
        for (name, path) in scanned.imports {
            self.0[module].imports.entry(name).or_default().push(path);
        }
        for (path, line) in scanned.mentions {
            let place = format!("{}:{line}", file.display());
            self.0[module].mentions.push(Mention { path, place });
        }
        for (path, line) in scanned.calls {
            let place = format!("{}:{line}", file.display());
            self.0[module].calls.push(Mention { path, place });
        }
        for (name, inline) in scanned.inline {
            let child = self.child(module, &name);
            self.take(child, inline, file, &folder.join(&name))?;
        }
        for (name, given) in scanned.files {
            let child = self.child(module, &name);
            let below = folder.join(&name);
            let lies_at: PathBuf = match given {
                Some(given) => file.parent().unwrap_or(Path::new("")).join(given),
                None if below.join("mod.rs").is_file() => below.join("mod.rs"),
                None => below.with_extension("rs"),
            };
            self.read_file(child, &lies_at, &below)?;
        }
        Ok(())
    }

    fn child(&mut self, parent: Index, name: &str) -> Index {
        if let Some(&child) = self.0[parent].children.get(name) {
            return child;
        }
        let child = self.0.len();
        self.0.push(Module { name: name.to_owned(), parent: Some(parent), ..Module::default() });
        self.0[parent].children.insert(name.to_owned(), child);
        child
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (Index, &Module)> {
        self.0.iter().enumerate()
    }

    /// The module and those it lies in, the innermost first.
    pub(crate) fn and_those_around(&self, module: Index) -> impl Iterator<Item = Index> {
        std::iter::successors(Some(module), |&module| self.0[module].parent)
    }

    /// The name from the root on.
    pub(crate) fn full_name(&self, module: Index) -> String {
        let mut names: Vec<&str> =
            self.and_those_around(module).map(|module| &*self.0[module].name).collect();
        names.reverse();
        names.join("::")
    }

    /// The modules that a module names: where, and which.
    pub(crate) fn named_by(&self, module: Index) -> impl Iterator<Item = (&str, Index)> {
        self.0[module].mentions.iter().flat_map(move |mention| {
            let mut passed = Vec::new();
            self.resolve(module, &mention.path, &mut passed, 0);
            passed.into_iter().map(|named| (&*mention.place, named))
        })
    }

    /// The functions that a module calls: where, and which, with what its `use` declarations say of their first name.
    pub(crate) fn called_by(&self, module: Index) -> impl Iterator<Item = (&str, Vec<String>)> {
        self.0[module].calls.iter().map(move |call| {
            let imported = self.0[module].imports.get(&call.path[0]).and_then(|targets| targets.first());
            let path = match imported {
                Some(target) => target.iter().chain(&call.path[1..]).cloned().collect(),
                None => call.path.clone(),
            };
            (&*call.place, path)
        })
    }

    /// Notes the modules through which a path leads, those of names that are handed on included. Gives the one at its
    /// end, if that is a module of the crate.
    fn resolve(&self, from: Index, path: &[String], passed: &mut Vec<Index>, depth: u8) -> Option<Index> {
        // A name may stand for itself: `use http;` of a dependency.
        if depth > 16 {
            return None;
        }
        let mut current = from;
        for (position, segment) in path.iter().enumerate() {
            current = match &**segment {
                "crate" => 0,
                "self" => current,
                "super" => self.0[current].parent?,
                name => match (self.0[current].children.get(name), self.0[current].imports.get(name)) {
                    (Some(&child), _) => child,
                    (None, Some(targets))
                        if !targets.iter().any(|target| position == 0 && target == path) =>
                    {
                        let mut ends = None;
                        for target in targets {
                            ends = self.resolve(current, target, passed, depth + 1).or(ends);
                        }
                        ends?
                    }
                    _ => return None,
                },
            };
            passed.push(current);
        }
        Some(current)
    }
}

#[cfg(test)]
impl Modules {
    /// Of a crate that is written out.
    pub(crate) fn of_text(source: &str) -> Self {
        let mut modules = Self(vec![Module { name: "crate".into(), ..Module::default() }]);
        let scanned = Scanned::new(source.parse().expect("it is Rust"));
        modules.take(0, scanned, Path::new("lib.rs"), Path::new("")).expect("all is written out");
        modules
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn named(source: &str, module: &str) -> BTreeSet<String> {
        let modules = Modules::of_text(source);
        let index = modules.all().find(|(_, known)| known.name == module).expect("there is such a module").0;
        modules.named_by(index).map(|(_, named)| modules.full_name(named)).collect()
    }

    #[test]
    fn declarations_paths_and_macros_name_modules() {
        let source = "mod a {} mod b {} mod c {} mod d { use super::a::X; fn f() { m!(crate::b::y()); } }";
        assert_eq!(named(source, "d"), BTreeSet::from(["crate", "crate::a", "crate::b"].map(String::from)));
    }

    #[test]
    fn names_that_are_handed_on_lead_to_where_they_come_from() {
        let source =
            "mod a { pub struct X; } mod b { pub use crate::a::X; } mod c { use crate::b::{self, X}; }";
        assert!(named(source, "c").is_superset(&["crate::a", "crate::b"].map(String::from).into()));
    }

    #[test]
    fn tests_documentation_and_visibilities_name_nothing() {
        let source = "mod a {} /// [`X`](crate::a::X) \n mod b { pub(in crate::a) fn f() {} #[cfg(test)] mod tests { use crate::a; } }";
        assert_eq!(named(source, "b"), BTreeSet::new());
        let source = "mod a {} mod b { #[cfg(all(test, loom))] mod tests { use crate::a; } }";
        assert_eq!(named(source, "b"), BTreeSet::new());
        let source = "mod a {} mod b { #[cfg(not(test))] use crate::a::X; #[cfg(any(loom))] use crate::a; }";
        assert_eq!(named(source, "b"), BTreeSet::from(["crate", "crate::a"].map(String::from)));
    }
}
