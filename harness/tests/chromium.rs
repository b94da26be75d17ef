//! The browser opens a page, types, clicks, reads text and takes a picture of it.

use std::time::Duration;

use harness::chromium::{Browser, ENTER};

const SOON: Duration = Duration::from_secs(60);

const PAGE: &str = "data:text/html,<title>t</title><p data-testid=greeting>hello</p>\
<form onsubmit=\"echo.innerText=user.value;console.error('submitted');return false\">\
<input id=user data-testid=user value=old><button data-testid=go>go</button></form><p id=echo data-testid=echo></p>";

#[test]
fn a_page_is_read_and_used() {
    let browser = Browser::start();
    browser.goto(PAGE);
    assert_eq!(browser.text("greeting").as_deref(), Some("hello"));
    assert_eq!(browser.text("missing"), None);

    browser.type_into("user", &format!("user-120{ENTER}"));
    browser.wait_text(SOON, "echo", |text| text == "user-120");
    browser.type_into("user", "user-7");
    browser.click("go");
    browser.wait_text(SOON, "echo", |text| text == "user-7");
    assert!(browser.complaints().iter().any(|complaint| complaint.contains("submitted")));

    let file = tempfile::NamedTempFile::new().unwrap();
    browser.screenshot(file.path());
    assert!(std::fs::read(file.path()).unwrap().starts_with(b"\x89PNG"));
}
