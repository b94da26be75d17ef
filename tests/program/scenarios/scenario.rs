//! One scenario: reading its file, and running its steps.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use harness::http::{self, Answer};
use harness::{replace_file, wait_for};
use serde::Deserialize;
use serde_json::Value;
use vitrine::clock::wall_ms;

use super::matching::difference;
use super::times::expand;
use crate::shop::{SOON, Shop};

/// Files by name: text, or a list of lines, which may be JSON.
type Files = BTreeMap<String, Value>;

/// A whole file of `tests/program/scenarios`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    #[serde(skip)]
    name: String,
    story: String,
    #[serde(default)]
    settings: BTreeMap<String, String>,
    files: Files,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    request: Option<AskedRequest>,
    #[serde(default)]
    expect: Expected,
    #[serde(default)]
    eventually: bool,
    #[serde(default)]
    save: BTreeMap<String, String>,
    #[serde(default)]
    append: Files,
    #[serde(default)]
    write: Files,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedRequest {
    #[serde(default = "get")]
    method: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Value,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    status: Option<u16>,
    json: Option<Value>,
    exact_keys: Option<Vec<String>>,
}

fn get() -> String {
    "GET".to_owned()
}

impl Scenario {
    #[track_caller]
    pub(crate) fn parse(name: &str, text: &str) -> Scenario {
        let story: Scenario = serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        Scenario { name: name.to_owned(), ..story }
    }

    /// Plays it from beginning to end; panics at the first step that goes otherwise.
    pub(crate) fn run(&self) {
        println!("{}: {}", self.name, self.story);
        let settings: Vec<_> = self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let shop = Shop::open(&settings, |dir| write(dir, &self.files, false));
        let mut saved = BTreeMap::new();
        for (index, step) in self.steps.iter().enumerate() {
            write(shop.dir(), &step.append, true);
            write(shop.dir(), &step.write, false);
            if let Some(asked) = &step.request {
                let place = format!("{}, step {}", self.name, index + 1);
                let answer = step.play(&shop, asked, &saved, &place);
                for (name, pointer) in &step.save {
                    let kept = answer.json().pointer(pointer).cloned();
                    let kept = kept.unwrap_or_else(|| panic!("{place}: nothing at {pointer} in {}", answer.text()));
                    saved.insert(format!("{{{name}}}"), kept.as_str().map_or(kept.to_string(), str::to_owned));
                }
            }
        }
    }
}

impl Step {
    fn play(&self, shop: &Shop, asked: &AskedRequest, saved: &BTreeMap<String, String>, place: &str) -> Answer {
        let mut last = String::new();
        let mut attempt = || {
            let answer = asked.ask(shop, saved);
            let difference = self.expect.difference(&answer);
            last = difference.as_ref().map_or(String::new(), |difference| format!("{difference}\n{}", answer.text()));
            (answer, difference)
        };
        if !self.eventually {
            let (answer, difference) = attempt();
            assert!(difference.is_none(), "{place}: {} {}: {last}", asked.method, asked.path);
            return answer;
        }
        wait_for(SOON, &format!("{place}: {} {}", asked.method, asked.path), || {
            let (answer, difference) = attempt();
            difference.is_none().then_some(answer)
        })
    }
}

impl AskedRequest {
    fn ask(&self, shop: &Shop, saved: &BTreeMap<String, String>) -> Answer {
        let path = saved.iter().fold(self.path.clone(), |path, (name, value)| path.replace(name, value));
        let body = match &self.body {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            json => json.to_string(),
        };
        let body = expand(&body, wall_ms());
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        http::request(&self.method, &shop.url(&path), &headers, body.as_bytes())
    }
}

impl Expected {
    fn difference(&self, answer: &Answer) -> Option<String> {
        let status = self.status.unwrap_or(200);
        if answer.status != status {
            return Some(format!("the status should be {status} and is {}", answer.status));
        }
        let different = self.json.as_ref().and_then(|expected| difference(expected, &answer.json(), ""));
        different.or_else(|| {
            let mut wanted = self.exact_keys.clone()?;
            let mut keys: Vec<String> =
                answer.json().as_object().into_iter().flat_map(|it| it.keys().cloned()).collect();
            wanted.sort_unstable();
            keys.sort_unstable();
            (keys != wanted).then(|| format!("the keys should be {wanted:?} and are {keys:?}"))
        })
    }
}

/// Appends to files, or replaces them.
fn write(dir: &Path, files: &Files, append: bool) {
    for (name, content) in files {
        let text = match content {
            Value::String(text) => text.clone(),
            Value::Array(lines) => {
                lines.iter().map(|line| line.as_str().map_or(line.to_string(), str::to_owned) + "\n").collect()
            }
            other => panic!("a file is a text or a list of lines, not {other}"),
        };
        let text = expand(&text, wall_ms());
        let path = dir.join(name);
        if append {
            let file = File::options().append(true).create(true).open(path);
            file.and_then(|mut file| file.write_all(text.as_bytes())).expect("the test's own file can be written");
        } else {
            replace_file(path, text);
        }
    }
}
