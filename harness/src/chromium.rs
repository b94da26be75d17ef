//! A real headless Chromium, driven over the W3C WebDriver protocol that Debian's `chromium-driver` speaks.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Process, free_port, http, installed, wait_for, wait_until};

const BOOT_DEADLINE: Duration = Duration::from_secs(180);

/// WebDriver's code point for the Enter key, to be put into the text of [`Browser::type_into`].
pub const ENTER: char = '\u{E007}';

/// The name under which WebDriver wraps a reference to an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// One browser window with an empty profile; closed on drop. Elements are named by their `data-testid`.
#[derive(Debug)]
pub struct Browser {
    session: String,
    driver: Process,
    _dir: TempDir,
}

impl Browser {
    /// Starts the driver and the browser, with a window of 1280 × 900 points.
    #[track_caller]
    pub fn start() -> Browser {
        let dir = TempDir::with_prefix("vitrine-chromium-").expect("a temporary directory");
        let port = free_port();
        let mut command = Command::new(installed::program("chromedriver"));
        command.arg(format!("--port={port}"));
        let mut driver = Process::spawn_in("chromedriver", command, dir.path(), "TERM");
        let base = format!("http://127.0.0.1:{port}");
        wait_until(BOOT_DEADLINE, "chromedriver answers", || {
            assert!(driver.is_running(), "chromedriver has exited. {}", driver.last_words());
            http::try_request("GET", &format!("{base}/status"), &[], b"").is_ok()
        });
        let created = call("POST", &format!("{base}/session"), &capabilities(dir.path()));
        let id = created["sessionId"].as_str().expect("a new session has an id");
        Browser { session: format!("{base}/session/{id}"), driver, _dir: dir }
    }

    /// Opens a page and waits for its load event.
    #[track_caller]
    pub fn goto(&self, url: &str) {
        self.post("url", json!({ "url": url }));
    }

    /// Runs a script's function body in the page and returns what it returns.
    #[track_caller]
    pub fn run(&self, script: &str, arguments: Value) -> Value {
        self.post("execute/sync", json!({ "script": script, "args": arguments }))
    }

    /// The visible text of the first element with that `data-testid`; none if there is no such element.
    #[track_caller]
    pub fn text(&self, testid: &str) -> Option<String> {
        self.texts(testid).into_iter().next()
    }

    /// The visible texts of all elements with that `data-testid`, in the page's order.
    #[track_caller]
    pub fn texts(&self, testid: &str) -> Vec<String> {
        let script = "return Array.from(document.querySelectorAll(arguments[0]), it => it.innerText)";
        let texts = self.run(script, json!([selector(testid)]));
        let texts = texts.as_array().expect("the script returns an array");
        texts.iter().map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Waits until the element's text satisfies `condition`, and returns it.
    #[track_caller]
    pub fn wait_text(&self, deadline: Duration, testid: &str, condition: impl Fn(&str) -> bool) -> String {
        let what = format!("the text of {testid} is as expected");
        wait_for(deadline, &what, || self.text(testid).filter(|text| condition(text)))
    }

    /// Clears the input element and types into it, key by key; [`ENTER`] submits.
    #[track_caller]
    pub fn type_into(&self, testid: &str, text: &str) {
        let element = self.element(testid);
        self.post(&format!("element/{element}/clear"), json!({}));
        self.post(&format!("element/{element}/value"), json!({ "text": text }));
    }

    /// Clicks on the element, scrolled into view.
    #[track_caller]
    pub fn click(&self, testid: &str) {
        let element = self.element(testid);
        self.post(&format!("element/{element}/click"), json!({}));
    }

    /// Sets the window's size in points, for example 390 × 844 for a telephone.
    #[track_caller]
    pub fn resize(&self, width: u32, height: u32) {
        self.post("window/rect", json!({ "width": width, "height": height }));
    }

    /// Writes what the window shows to a PNG file.
    #[track_caller]
    pub fn screenshot(&self, file: impl AsRef<Path>) {
        let shot = call("GET", &format!("{}/screenshot", self.session), &Value::Null);
        let shot = shot.as_str().expect("a screenshot is base64 text");
        let png = base64::engine::general_purpose::STANDARD.decode(shot);
        let png = png.expect("a screenshot is base64 text");
        std::fs::write(file, png).expect("the test's own file can be written");
    }

    /// Warnings and errors that the page put on its console since the last call, failed requests included.
    #[track_caller]
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.post("se/log", json!({ "type": "browser" }));
        let entries = entries.as_array().expect("the log is an array");
        let complaints = entries.iter().filter(|entry| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING")));
        complaints.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    #[track_caller]
    fn element(&self, testid: &str) -> String {
        let css = json!({ "using": "css selector", "value": selector(testid) });
        let found = self.post("element", css);
        found[ELEMENT].as_str().expect("a found element has a reference").to_owned()
    }

    #[track_caller]
    fn post(&self, command: &str, body: Value) -> Value {
        call("POST", &format!("{}/{command}", self.session), &body)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The session is closed in order first, so that the browser ends with its driver. If that fails, it is killed
        // with the driver's process group.
        let _ = http::try_request("DELETE", &self.session, &[], b"");
        self.driver.terminate();
    }
}

fn selector(testid: &str) -> String {
    format!("[data-testid=\"{testid}\"]")
}

fn capabilities(dir: &Path) -> Value {
    let args = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1280,900",
    ];
    let profile = format!("--user-data-dir={}", dir.join("profile").display());
    let args: Vec<&str> = args.into_iter().chain([profile.as_str()]).collect();
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome",
        "goog:loggingPrefs": { "browser": "ALL" },
        "goog:chromeOptions": { "binary": installed::program("chromium"), "args": args },
    } } })
}

/// One WebDriver command; panics with the driver's message if it fails.
#[track_caller]
fn call(method: &str, url: &str, body: &Value) -> Value {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let json_body = [("content-type", "application/json; charset=utf-8")];
    let mut answer = http::request(method, url, &json_body, &body).json();
    let value = answer["value"].take();
    if let Some(error) = value["error"].as_str() {
        panic!("the browser refuses {method} {url}: {error}: {}", value["message"]);
    }
    value
}
