//! The code of one file of `src/` as far as its names go: what it declares, imports and mentions. Comments, strings and whatever
//! stands under `#[cfg(test)]` are not part of it.

use std::collections::{BTreeMap, BTreeSet};

/// A path of names, such as `crate::record::Event`.
pub(crate) type Path = Vec<String>;

/// A name that a file brings in with `use`.
pub(crate) struct Import {
    /// As it is written: it may begin with `crate`, `self`, `super` or a module of the file.
    pub(crate) path: Path,
    /// Whether it is there for others (`pub use`), and no sign that the file itself needs it.
    pub(crate) is_export: bool,
}

/// A file's names.
#[derive(Default)]
pub(crate) struct Code {
    /// The modules that have files of their own.
    pub(crate) modules: BTreeSet<String>,
    /// The modules among its children that are compiled for tests alone; with `#[path]`, the file's name without `.rs`.
    pub(crate) tests: BTreeSet<String>,
    /// By the name that they have here.
    pub(crate) imports: BTreeMap<String, Import>,
    /// Paths outside of `use`. A name alone is only here where it stands for something imported.
    pub(crate) paths: BTreeSet<Path>,
}

impl Code {
    pub(crate) fn read(text: &str) -> Self {
        let mut code = Self::default();
        let tokens = code.without_tests(tokens(text));
        let mut mentions = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            let word = tokens[at].as_str();
            if word == "use" {
                let end = tokens[at..].iter().position(|token| token == ";").unwrap() + at;
                let is_export = is_public(&tokens[..at]);
                code.import(&tokens[at + 1..end], &mut Vec::new(), is_export);
                at = end;
            } else if word == "mod" && tokens[at + 2] == ";" {
                code.modules.insert(tokens[at + 1].clone());
            } else if is_name(word) && !["::", ".", "fn", "'"].contains(&before(&tokens, at)) {
                let (path, end) = path_at(&tokens, at);
                mentions.push((path, tokens.get(end).cloned().unwrap_or_default()));
                at = end - 1;
            }
            at += 1;
        }
        for (path, next) in mentions {
            let first = path[0].as_str();
            let is_rooted = ["crate", "self", "super"].contains(&first) && path.len() > 1;
            let is_child = code.modules.contains(first) && path.len() > 1;
            // A variable may have the name of an imported function or module.
            let is_used = path.len() > 1 || first.starts_with(char::is_uppercase) || next == "(";
            if is_rooted || is_child || code.imports.contains_key(first) && is_used {
                code.paths.insert(path);
            }
        }
        code
    }

    /// The tokens without the items under `#[cfg(test)]`, whose modules are kept by name.
    fn without_tests(&mut self, tokens: Vec<String>) -> Vec<String> {
        const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
        let mut kept = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            if !tokens[at..].iter().take(TEST.len()).eq(&TEST) {
                kept.push(tokens[at].clone());
                at += 1;
                continue;
            }
            let end = item_end(&tokens, at);
            let item = &tokens[at..end];
            if let Some(name) = item.iter().position(|token| token == "mod").filter(|_| item[item.len() - 1] == ";") {
                self.tests.insert(item[name + 1].clone());
                let path = item.iter().find_map(|token| token.strip_prefix('"')?.strip_suffix(".rs"));
                self.tests.extend(path.map(str::to_owned));
            }
            at = end;
        }
        kept
    }

    /// What one tree of a `use` brings in, below `root`.
    fn import(&mut self, tree: &[String], root: &mut Path, is_export: bool) {
        let depth = root.len();
        let mut at = 0;
        while at < tree.len() {
            match tree[at].as_str() {
                "{" => {
                    let mut from = at + 1;
                    let mut open = 1;
                    for (index, token) in tree.iter().enumerate().skip(at + 1) {
                        open += i32::from(token == "{");
                        open -= i32::from(token == "}");
                        if open == 0 || open == 1 && token == "," {
                            self.import(&tree[from..index], root, is_export);
                            from = index + 1;
                        }
                    }
                    root.truncate(depth);
                    return;
                }
                "as" => {
                    self.imports.insert(tree[at + 1].clone(), Import { path: root.clone(), is_export });
                    root.truncate(depth);
                    return;
                }
                "::" => {}
                "self" if !root.is_empty() => {}
                name => root.push(name.to_owned()),
            }
            at += 1;
        }
        if root.len() > depth || tree.first().is_some_and(|name| name == "self") {
            let path = root.clone();
            self.imports.insert(path[path.len() - 1].clone(), Import { path, is_export });
        }
        root.truncate(depth);
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn before(tokens: &[String], at: usize) -> &str {
    at.checked_sub(1).map_or("", |at| tokens[at].as_str())
}

/// Whether `pub` stands at the end, with or without a restriction.
fn is_public(tokens: &[String]) -> bool {
    match tokens.iter().rposition(|token| token == "pub") {
        Some(at) => {
            at + 1 == tokens.len()
                || tokens[at + 1] == "("
                    && tokens[at..].iter().position(|token| token == ")") == Some(tokens.len() - 1 - at)
        }
        None => false,
    }
}

/// The path that begins there, and where it ends.
fn path_at(tokens: &[String], at: usize) -> (Path, usize) {
    let mut path = vec![tokens[at].clone()];
    let mut end = at + 1;
    while tokens.get(end).is_some_and(|token| token == "::") && tokens.get(end + 1).is_some_and(|token| is_name(token))
    {
        path.push(tokens[end + 1].clone());
        end += 2;
    }
    (path, end)
}

/// Where the item ends whose attributes begin there.
fn item_end(tokens: &[String], mut at: usize) -> usize {
    while tokens[at] == "#" {
        at += tokens[at..].iter().position(|token| token == "]").unwrap() + 1;
    }
    let item = &tokens[at..];
    let is_use = item.iter().position(|token| token == "use").is_some_and(|at| is_public(&item[..at]) || at == 0);
    let mut open = 0;
    loop {
        match tokens[at].as_str() {
            "{" => open += 1,
            "}" if open == 1 && !is_use => return at + 1,
            "}" => open -= 1,
            ";" if open == 0 => return at + 1,
            _ => {}
        }
        at += 1;
    }
}

/// Names, `::`, strings with their quotes, and single signs; no comments.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let rest = |at: usize, what: &str| what.chars().enumerate().all(|(n, c)| chars.get(at + n) == Some(&c));
    let find = |from: usize, what: &str| (from..chars.len()).find(|at| rest(*at, what)).unwrap_or(chars.len());
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let from = at;
        let c = chars[at];
        if rest(at, "//") {
            at = find(at, "\n");
        } else if rest(at, "/*") {
            at = find(at, "*/") + 2;
        } else if let Some(hashes) = raw_string(&chars[at..]) {
            let begin = find(at, "\"") + 1;
            at = find(begin, &format!("\"{}", "#".repeat(hashes))) + 1 + hashes;
        } else if c == '"' {
            at += 1;
            while chars[at] != '"' {
                at += if chars[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
            tokens.push(chars[from..at].iter().collect());
        } else if c == '\'' && chars[at + 1] == '\\' {
            at = find(at + 3, "'") + 1;
        } else if c == '\'' && chars[at + 2] == '\'' {
            at += 3;
        } else if c.is_alphanumeric() || c == '_' {
            at += chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
            tokens.push(chars[from..at].iter().collect());
        } else if rest(at, "::") {
            at += 2;
            tokens.push("::".to_owned());
        } else {
            at += 1;
            if !c.is_whitespace() {
                tokens.push(c.to_string());
            }
        }
    }
    tokens
}

/// How many `#` a raw string begins with, if one begins here.
fn raw_string(chars: &[char]) -> Option<usize> {
    let after = match chars {
        ['b', 'r', ..] => 2,
        ['r', ..] => 1,
        _ => return None,
    };
    let hashes = chars[after..].iter().take_while(|c| **c == '#').count();
    (chars.get(after + hashes) == Some(&'"')).then_some(hashes)
}
