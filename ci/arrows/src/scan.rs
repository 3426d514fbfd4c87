//! What a file declares and names.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// Where names are resolved: the module of a file, or one that is written out within it.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    /// Modules that lie in files of their own, with the path that is given for that file.
    pub(crate) files: Vec<(String, Option<String>)>,
    /// Modules that are written out.
    pub(crate) inline: Vec<(String, Scanned)>,
    /// The names that `use` gives to paths.
    pub(crate) imports: Vec<(String, Vec<String>)>,
    /// The paths that are named, each with its line.
    pub(crate) mentions: Vec<(Vec<String>, usize)>,
    /// The functions that are called, by path or as methods, each with its line.
    pub(crate) calls: Vec<(Vec<String>, usize)>,
}

impl Scanned {
    pub(crate) fn new(tokens: TokenStream) -> Self {
        let mut scanned = Self::default();
        scanned.read(&tokens.into_iter().collect::<Vec<_>>());
        scanned
    }

    fn read(&mut self, tokens: &[TokenTree]) {
        let mut rest = tokens;
        let mut file = None;
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            match first {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    let (group, after) = match rest {
                        [TokenTree::Group(group), after @ ..] => (group, after),
                        [TokenTree::Punct(_), TokenTree::Group(group), after @ ..] => (group, after),
                        _ => continue,
                    };
                    rest = after;
                    match attribute(group) {
                        Attribute::Test => rest = behind_item(rest),
                        Attribute::Path(path) => file = Some(path),
                        Attribute::Other => {}
                    }
                }
                TokenTree::Group(group) => self.read(&group.stream().into_iter().collect::<Vec<_>>()),
                TokenTree::Ident(word) if word == "mod" => match rest {
                    [TokenTree::Ident(name), TokenTree::Group(body), after @ ..] => {
                        self.inline.push((name.to_string(), Self::new(body.stream())));
                        rest = after;
                    }
                    [TokenTree::Ident(name), after @ ..] => {
                        self.files.push((name.to_string(), file.take()));
                        rest = after;
                    }
                    _ => {}
                },
                TokenTree::Ident(word) if word == "use" => {
                    let end = rest.iter().position(|token| is(token, ';')).unwrap_or(rest.len());
                    self.import(&rest[..end], &[]);
                    rest = &rest[end..];
                }
                // A visibility names no dependency.
                TokenTree::Ident(word) if word == "in" => {
                    if let [TokenTree::Ident(next), ..] = rest {
                        if next == "crate" || next == "super" {
                            rest = path(rest).1;
                        }
                    }
                }
                TokenTree::Ident(word) => {
                    let (segments, after) = path(&tokens[tokens.len() - rest.len() - 1..]);
                    let line = word.span().start().line;
                    if matches!(after.first(), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
                    {
                        self.calls.push((segments.clone(), line));
                    }
                    if segments.len() > 1 {
                        self.mentions.push((segments, line));
                        rest = after;
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    /// Reads one tree of a `use` declaration.
    fn import(&mut self, tree: &[TokenTree], prefix: &[String]) {
        let Some(first) = tree.first() else { return };
        let line = first.span().start().line;
        let (segments, rest) = path(tree);
        let full: Vec<String> = prefix.iter().cloned().chain(segments).collect();
        match rest {
            [TokenTree::Punct(_), TokenTree::Punct(_), TokenTree::Group(group)]
            | [TokenTree::Group(group)] => {
                let trees: Vec<TokenTree> = group.stream().into_iter().collect();
                for tree in trees.split(|token| is(token, ',')) {
                    self.import(tree, &full);
                }
            }
            [TokenTree::Punct(_), TokenTree::Punct(_), TokenTree::Punct(star)] if star.as_char() == '*' => {
                self.mentions.push((full, line));
            }
            _ => {
                let renamed = match rest {
                    [TokenTree::Ident(word), TokenTree::Ident(name)] if word == "as" => {
                        Some(name.to_string())
                    }
                    _ => None,
                };
                let itself = full.len() > 1 && full.last().is_some_and(|last| last == "self");
                let full = if itself { full[..full.len() - 1].to_vec() } else { full };
                if let Some(name) = renamed.or_else(|| full.last().cloned()) {
                    self.imports.push((name, full.clone()));
                }
                self.mentions.push((full, line));
            }
        }
    }
}

/// The path at the beginning, and what comes behind it.
fn path(tokens: &[TokenTree]) -> (Vec<String>, &[TokenTree]) {
    let mut segments = Vec::new();
    let mut rest = tokens;
    while let [TokenTree::Ident(name), after @ ..] = rest {
        segments.push(name.to_string());
        rest = after;
        match rest {
            [first, second, next @ ..] if is(first, ':') && is(second, ':') => {
                if !matches!(next.first(), Some(TokenTree::Ident(_))) {
                    break;
                }
                rest = next;
            }
            _ => break,
        }
    }
    (segments, rest)
}

fn is(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

enum Attribute {
    /// What follows is there only in tests.
    Test,
    /// Where the module that follows lies.
    Path(String),
    Other,
}

fn attribute(group: &Group) -> Attribute {
    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
    match &tokens[..] {
        [TokenTree::Ident(name), TokenTree::Group(condition)]
            if name == "cfg" && condition.delimiter() == Delimiter::Parenthesis =>
        {
            if is_of_tests(&condition.stream()) { Attribute::Test } else { Attribute::Other }
        }
        [TokenTree::Ident(name), _, TokenTree::Literal(path)] if name == "path" => {
            Attribute::Path(path.to_string().trim_matches('"').to_owned())
        }
        _ => Attribute::Other,
    }
}

/// Whether a condition is true in tests alone: it is that of tests, or one of which all parts have to be true is.
fn is_of_tests(condition: &TokenStream) -> bool {
    let tokens: Vec<TokenTree> = condition.clone().into_iter().collect();
    match &tokens[..] {
        [TokenTree::Ident(all), TokenTree::Group(parts)] if all == "all" => is_of_tests(&parts.stream()),
        tokens => tokens
            .iter()
            .any(|token| matches!(token, TokenTree::Ident(word) if word == "test" || word == "doctest")),
    }
}

/// What comes behind the item at the beginning.
fn behind_item(tokens: &[TokenTree]) -> &[TokenTree] {
    let end = tokens.iter().position(|token| {
        is(token, ';') || matches!(token, TokenTree::Group(body) if body.delimiter() == Delimiter::Brace)
    });
    end.map_or(&[], |end| &tokens[end + 1..])
}
