//! Imports among the modules of a package: a module and the modules inside it may use each other, no others may do so in
//! a circle.

use std::collections::{BTreeMap, BTreeSet};

/// For each module the modules it uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

/// One sentence for each pair of modules that is part of a circle.
pub(crate) fn problems(directory: &str, files: &BTreeMap<String, String>) -> Vec<String> {
    let uses = uses(directory, files);
    let edges = uses.iter().flat_map(|(from, all)| all.iter().map(move |to| (from, to)));
    let circles = edges.filter(|(from, to)| reaches(&uses, to, from));
    circles.map(|(from, to)| format!("{directory}: {from} uses {to}, which uses {from} in the end")).collect()
}

fn uses(directory: &str, files: &BTreeMap<String, String>) -> Uses {
    let src = if directory.is_empty() { "src/".to_owned() } else { format!("{directory}/src/") };
    let modules: BTreeMap<String, &String> = files
        .iter()
        .filter_map(|(path, text)| Some((path.strip_prefix(&src)?.strip_suffix(".rs")?.replace('/', "::"), text)))
        .filter(|(module, _)| module != "lib" && module != "main")
        .collect();
    let names: BTreeSet<&str> = modules.keys().map(String::as_str).collect();
    let uses_of = |module: &String, text: &str| {
        let used = imports(text).into_iter().filter_map(|path| resolve(module, &path, &names));
        used.filter(|used| !is_inside(used, module) && !is_inside(module, used)).map(str::to_owned).collect()
    };
    modules.iter().map(|(module, text)| (module.clone(), uses_of(module, text))).collect()
}

fn is_inside(inner: &str, outer: &str) -> bool {
    inner == outer || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with("::"))
}

/// Whether `from` uses `to`, perhaps through others.
fn reaches(uses: &Uses, from: &str, to: &str) -> bool {
    let (mut seen, mut open) = (BTreeSet::from([from]), vec![from]);
    while let Some(module) = open.pop() {
        for next in uses.get(module).into_iter().flatten() {
            if next == to {
                return true;
            }
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    false
}

/// The paths that the `use` items outside of tests name, with their groups taken apart.
fn imports(text: &str) -> Vec<String> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut paths = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(start) = use_path(line) else { continue };
        let mut item = start.to_owned();
        while !item.contains(';') {
            let Some(line) = lines.next() else { break };
            item += line;
        }
        group("", item.split(';').next().unwrap_or_default(), &mut paths);
    }
    paths
}

/// What follows `use` on a line that begins a `use` item.
fn use_path(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("pub") {
        Some(rest) => rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(rest, |(_, rest)| rest),
        None => line,
    };
    line.trim_start().strip_prefix("use ")
}

/// Takes `a::{b, c::{d}}` apart.
fn group(prefix: &str, path: &str, paths: &mut Vec<String>) {
    let (mut depth, mut start) = (0, 0);
    let mut parts = Vec::new();
    for (at, byte) in path.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(&path[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&path[start..]);
    for part in parts.into_iter().map(str::trim).filter(|part| !part.is_empty()) {
        match part.split_once('{') {
            Some((head, rest)) => {
                let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
                group(&format!("{prefix}{head}"), inner, paths);
            }
            None => paths.push(format!("{prefix}{}", part.split(" as ").next().unwrap_or(part))),
        }
    }
}

/// The innermost module that a path of `module` leads to; none where it leads out of the package.
fn resolve<'n>(module: &str, path: &str, names: &BTreeSet<&'n str>) -> Option<&'n str> {
    let mut here: Vec<&str> = module.split("::").collect();
    let mut segments = path.split("::").map(str::trim).filter(|segment| *segment != "self").peekable();
    match path.split("::").next()?.trim() {
        "crate" => {
            here.clear();
            segments.next();
        }
        "self" | "super" => {}
        _ => return None,
    }
    while segments.next_if_eq(&"super").is_some() {
        here.pop();
    }
    here.extend(segments);
    (1..=here.len()).rev().find_map(|length| names.get(here[..length].join("::").as_str()).copied())
}
