//! Whether every item that says how it bears being cancelled has a test: of this program, or of its package's tests.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A package, and what of it needs no test that cancels it everywhere, with the reason.
struct Package {
    folder: &'static str,
    tests: &'static str,
    /// How many items there are at least: fewer would mean that this reads something else.
    least: usize,
    left_out: &'static [(&'static str, &'static str)],
}

const PACKAGES: &[Package] = &[
    Package { folder: ".", tests: "tests/cancel_everywhere", least: 250, left_out: LEFT_OUT },
    Package { folder: "ecosystem/http", tests: "ecosystem/http/tests", least: 25, left_out: &[] },
    Package {
        folder: "ecosystem/tokio",
        tests: "ecosystem/tokio/tests",
        least: 5,
        left_out: &[
            ("guest::guest", "what it says is said of `Builder::run_as_guest`, which is cut short here"),
            ("postgres::connect", "it needs a server: `databases/tests/servers/postgres.rs`"),
            ("postgres::Client::cancellable", "it needs a server: `databases/tests/servers/postgres.rs`"),
            ("redis::connect", "it needs a server: `databases/tests/servers/redis.rs`"),
        ],
    },
    Package { folder: "ecosystem/tonic", tests: "ecosystem/tonic/tests", least: 3, left_out: &[] },
];

/// What of anyio itself needs no test here, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    (
        "to_process/call::run_sync",
        "its program has to be one that serves: `tests/processes/workers.rs` cancels it everywhere",
    ),
    ("testing/everywhere::cancel_everywhere", "it is what tests"),
];

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The first word in an item's head that is a name, after generics and keywords: `impl<T> Lock<T> {` gives `Lock`.
fn type_of(head: &str) -> String {
    let head = head.trim_start_matches("impl");
    let mut depth = 0;
    let without: String = head
        .chars()
        .filter(|&sign| {
            depth += i32::from(sign == '<');
            let outside = depth == 0;
            depth -= i32::from(sign == '>');
            outside
        })
        .collect();
    let own = without
        .split(" for ")
        .last()
        .unwrap_or_default()
        .trim_start_matches("pub ")
        .trim_start_matches("trait ");
    own.trim()
        .split(|sign: char| !(sign.is_alphanumeric() || sign == '_' || sign == '$'))
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The public items of a source that have a paragraph about cancelling.
fn promising(name: &str, source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut enclosing: Vec<(usize, String)> = Vec::new();
    let mut promises = false;
    for line in source.lines() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if text.starts_with("mod tests") {
            break;
        }
        if let Some(documentation) = text.strip_prefix("///") {
            promises |= documentation.trim() == "# Cancel safety";
            continue;
        }
        if text.is_empty() || text.starts_with("#[") || text.starts_with("//") {
            continue;
        }
        if ["impl", "pub trait ", "trait "].iter().any(|start| text.starts_with(start)) {
            enclosing.retain(|(outer, _)| *outer < indent);
            enclosing.push((indent, type_of(text)));
        }
        if !std::mem::take(&mut promises) || text.starts_with("pub(") {
            continue;
        }
        let of_trait = enclosing.last().is_some_and(|(outer, _)| *outer < indent);
        let is_public = text.starts_with("pub ") || of_trait;
        let words = text.split(|sign: char| !(sign.is_alphanumeric() || sign == '_'));
        let mut words = words.skip_while(|word| !["fn", "struct", "enum", "trait"].contains(word));
        if let (true, Some(item)) = (is_public, words.nth(1)) {
            let outer = enclosing.iter().rev().find(|(outer, _)| *outer < indent);
            let outer = outer.map_or_else(String::new, |(_, name)| format!("{name}::"));
            found.push(format!("{name}::{outer}{item}"));
        }
    }
    found
}

/// The names in all `covers![…]` of the tests in a folder.
fn covered(tests: &Path) -> BTreeSet<String> {
    let mut paths = Vec::new();
    sources(tests, &mut paths);
    let mut names = BTreeSet::new();
    for path in paths.iter().filter(|path| !path.ends_with("completeness.rs")) {
        let source = fs::read_to_string(path).unwrap();
        for list in source.split("covers![").skip(1) {
            let list = list.split(']').next().unwrap();
            names.extend(list.split('"').skip(1).step_by(2).map(str::to_owned));
        }
    }
    names
}

#[test]
fn everything_that_says_how_it_bears_being_cancelled_is_cancelled_everywhere() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    for Package { folder, tests, least, left_out } in PACKAGES {
        let root = workspace.join(folder).join("src");
        if !root.exists() {
            // Where anyio was unpacked by itself.
            continue;
        }
        let mut paths = Vec::new();
        sources(&root, &mut paths);
        let mut promising_items = BTreeSet::new();
        for path in paths {
            let name = path.strip_prefix(&root).unwrap().with_extension("").to_str().unwrap().to_owned();
            promising_items.extend(promising(&name, &fs::read_to_string(&path).unwrap()));
        }
        let count = promising_items.len();
        assert!(count >= *least, "only {count} were found in {folder}");
        let mut covered = covered(&workspace.join(tests));
        covered.extend(left_out.iter().map(|(name, _)| (*name).to_owned()));
        let missing: Vec<&String> = promising_items.difference(&covered).collect();
        assert!(missing.is_empty(), "{} of {folder} have no test: {missing:#?}", missing.len());
        let gone: Vec<&String> = covered.difference(&promising_items).collect();
        let count = gone.len();
        assert!(gone.is_empty(), "{count} are named, and are not in {folder} or say nothing: {gone:#?}");
    }
}

#[test]
fn items_are_found_in_sources() {
    let source = "\
impl<T> Lock<T> {
    /// # Cancel safety
    /// Nothing.
    #[inline]
    pub async fn acquire(&self) {}

    /// # Cancel safety
    pub(crate) fn hidden() {}
}

pub trait Stream {
    /// # Cancel safety
    async fn receive(&mut self);
}

impl<L: Listener<Stream: Split>> Listener for Tls<L> {
    /// # Cancel safety
    async fn accept(&self);
}

/// # Cancel safety
/// None.
pub fn free() {}

/// # Cancel safety
fn private() {}
";
    assert_eq!(
        promising("a/b", source),
        ["a/b::Lock::acquire", "a/b::Stream::receive", "a/b::Tls::accept", "a/b::free"]
    );
}
