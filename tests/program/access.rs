//! Keys of the program: the refusal to start without them, keys that are made and revoked while it runs, and changes of keys whose
//! process is killed.

use std::io::{BufReader, Read as _, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use harness::certificates::Authority;
use harness::{Process, http, replace_file, wait_for, wait_until};
use tempfile::TempDir;

use crate::vitrine;

/// More than anything here takes on a busy machine.
const SOON: Duration = Duration::from_secs(120);

/// Runs a command that succeeds, and gives what it wrote to stdout.
#[track_caller]
fn succeed(args: &[&str]) -> String {
    let out = vitrine(args);
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("the output is UTF-8").trim_end().to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary directory has a plain name")
}

#[test]
fn beyond_loopback_the_server_starts_only_with_keys_or_if_it_is_spelled_out() {
    let dir = TempDir::with_prefix("vitrine-keys-").expect("a temporary directory");
    let (files, keys) = (format!("files.dir={}", text(dir.path())), dir.path().join("keys.toml"));
    let named = format!("auth.keys={}", text(&keys));
    let start = |more: &[&str]| {
        let out = vitrine(&[&["serve", "--set", &files, "--listen", "0.0.0.0:0"], more].concat());
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let (code, said) = start(&[]);
    assert!(
        code == Some(78) && said.contains("the API has no keys") && said.contains("auth.required = false"),
        "{said}"
    );
    let (code, said) = start(&["--set", &named]);
    assert!(code == Some(78) && said.contains("`vitrine key create` makes it"), "{said}");
    std::fs::write(&keys, "").expect("the file is written");
    let (code, said) = start(&["--set", &named]);
    assert!(code == Some(78) && said.contains("the file of `auth.keys` is empty"), "{said}");
    let local = vitrine(&["serve", "--set", &files, "--listen", "127.0.0.1:0", "--set", "auth.required=true"]);
    assert_eq!(local.status.code(), Some(78), "{}", String::from_utf8_lossy(&local.stderr));
    let mut open = serve(&files, &["--set", "auth.required=false"]);
    assert_eq!(http::get(&format!("{}/v1/status", open.1)).status, 200);
    assert!(open.0.stderr().contains("everyone who can reach the port"), "{}", open.0.stderr());
    open.0.terminate();
    assert_eq!(open.0.wait_exit(SOON).code(), Some(0));
}

/// The program on every address of the machine, and the URL at which it is reached.
fn serve(files: &str, more: &[&str]) -> (Process, String) {
    let mut command = harness::clean(env!("CARGO_BIN_EXE_vitrine"));
    command.args(["serve", "--set", files, "--listen", "0.0.0.0:0", "--log-format", "json"]);
    // A busy machine holds clients up.
    command.args(["--set", "server.header_timeout_ms=60000"]).args(more);
    let process = Process::spawn("guarded", command);
    let port = wait_for(SOON, "it serves", || {
        let said = process.stderr();
        let line = said.lines().find(|line| line.contains("0.0.0.0:") && line.contains("\"serving\""))?.to_owned();
        let port: String = line.split("0.0.0.0:").nth(1)?.chars().take_while(char::is_ascii_digit).collect();
        Some(port)
    });
    (process, format!("http://127.0.0.1:{port}"))
}

#[test]
fn keys_are_made_rotated_and_revoked_while_the_server_runs() {
    let dir = TempDir::with_prefix("vitrine-keys-").expect("a temporary directory");
    let (keys, audit) = (dir.path().join("keys.toml"), dir.path().join("audit.jsonl"));
    let audit_setting = format!("sinks.audit={}", text(&audit));
    let create = |name: &str, scope: &str| {
        let file = text(&keys);
        succeed(&["key", "create", "--file", file, "--set", &audit_setting, "--name", name, "--scope", scope])
    };
    let first = create("shop", "read");
    let named = format!("auth.keys={}", text(&keys));
    let files = format!("files.dir={}", text(dir.path()));
    let (mut process, url) = serve(&files, &["--set", &named, "--set", &audit_setting]);
    let status = |key: &str| http::request("GET", &format!("{url}/v1/status"), &[("x-api-key", key)], b"").status;
    assert_eq!((http::get(&format!("{url}/livez")).status, http::get(&format!("{url}/v1/status")).status), (200, 401));
    assert_eq!(status(&first), 200);
    let second = create("shop", "read");
    wait_until(SOON, "the second key is valid", || status(&second) == 200);
    assert_eq!(status(&first), 200, "both are valid");
    let id = first.split('_').nth(1).expect("the form of a key");
    succeed(&["key", "revoke", "--file", text(&keys), "--set", &audit_setting, id]);
    wait_until(SOON, "the first key is not valid", || status(&first) == 401);
    assert_eq!(status(&second), 200);
    let events = format!("{url}/v1/events");
    let event = br#"{"user_id":"ada","product_id":"tea","event_type":"view"}"#;
    let post = |key: &str| http::request("POST", &events, &[("x-api-key", key)], event).status;
    let writer = create("tracker", "events");
    wait_until(SOON, "the third key is valid", || post(&writer) == 202);
    assert_eq!(post(&second), 403);
    let list = succeed(&["key", "list", "--file", text(&keys)]);
    assert!(list.lines().count() == 3 && !list.contains(id), "{list}");
    let lines = std::fs::read_to_string(&audit).expect("the audit log is there");
    for what in ["key.create", "key.revoke", "keys.reload"] {
        assert!(lines.contains(&format!("\"what\":\"{what}\"")), "{what} is missing from\n{lines}");
    }
    process.terminate();
    assert_eq!(process.wait_exit(SOON).code(), Some(0));
    for key in [&first, &second, &writer] {
        let secret = key.rsplit_once(id).map_or(key.as_str(), |(_, secret)| secret);
        for text in [&lines, &list, &process.stderr(), &std::fs::read_to_string(&keys).expect("it is there")] {
            assert!(!text.contains(secret) && !text.contains("vt_"), "{text}");
        }
    }
}

#[test]
fn a_scope_that_is_none_is_wrong_usage_and_makes_no_file() {
    let dir = TempDir::with_prefix("vitrine-keys-").expect("a temporary directory");
    let keys = dir.path().join("keys.toml");
    let wrong = vitrine(&["key", "create", "--file", text(&keys), "--name", "shop", "--scope", "reed"]);
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert!(wrong.status.code() == Some(2) && !keys.exists(), "{said}");
    for word in ["--scope", "reed", "read", "events", "delete", "write", "admin"] {
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn the_audit_log_names_the_user_of_the_process_and_not_that_of_the_environment() {
    let dir = TempDir::with_prefix("vitrine-keys-").expect("a temporary directory");
    let (keys, audit) = (dir.path().join("keys.toml"), dir.path().join("audit.jsonl"));
    let audit_setting = format!("sinks.audit={}", text(&audit));
    for user in [Some("nobody in particular"), None] {
        let mut command = harness::clean(env!("CARGO_BIN_EXE_vitrine"));
        command.args(["key", "create", "--file", text(&keys), "--name", "shop", "--scope", "read"]);
        command.args(["--set", &audit_setting]).env_remove("USER").envs(user.map(|user| ("USER", user)));
        assert!(command.output().expect("the program starts").status.success());
    }
    let lines = std::fs::read_to_string(&audit).expect("the audit log is there");
    let who = |line: &str| line.split_once("\"who\":\"").expect("who").1.split('"').next().map(str::to_owned);
    let who: Vec<_> = lines.lines().map(who).collect();
    assert!(who.len() == 2 && who[0] == who[1], "{lines}");
    let is_user = |who: &str| who.starts_with("user ") && who != "user nobody in particular" && who != "user unknown";
    assert!(who.iter().flatten().all(|who| is_user(who)), "{lines}");
}

/// Runs `vitrine key` and kills it as soon as `is_time`, or when it has ended; what it said, if that was all it says.
fn killed(args: &[&str], is_time: impl Fn() -> bool) -> Option<String> {
    let mut command = harness::clean(env!("CARGO_BIN_EXE_vitrine"));
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the program can be started");
    while child.try_wait().expect("it is a child").is_none() && !is_time() {
        std::thread::yield_now();
    }
    // It may have ended.
    let _ = child.kill();
    let mut said = String::new();
    child.stdout.take().expect("it is piped").read_to_string(&mut said).expect("the output is UTF-8");
    child.wait().expect("it is a child");
    said.ends_with('\n').then_some(said)
}

#[test]
fn changes_of_keys_that_were_acknowledged_outlive_killed_commands_and_no_other_key_is_there() {
    const ROUNDS: usize = 30;
    let dir = TempDir::with_prefix("vitrine-keys-").expect("a temporary directory");
    let keys = dir.path().join("keys.toml");
    let file = text(&keys);
    let content = || std::fs::read_to_string(&keys).unwrap_or_default();
    let entries = || std::fs::read_dir(dir.path()).expect("the directory is there").count();
    // Keys that are there, and keys that were revoked.
    let (mut made, mut revoked) = (Vec::<String>::new(), Vec::<String>::new());
    for round in 0..ROUNDS {
        let (before, entries_before, name) = (content(), entries(), format!("k{round}"));
        // At once, while the next file is written, when it has taken the place of the file, or never.
        let is_time = || match round % 4 {
            0 => true,
            1 => entries() > entries_before,
            2 => content() != before,
            _ => false,
        };
        if round % 5 == 4 && !made.is_empty() {
            let id = made.remove(0);
            if killed(&["key", "revoke", "--file", file, &id], is_time).is_some() {
                revoked.push(id);
            }
        } else if let Some(token) =
            killed(&["key", "create", "--file", file, "--name", &name, "--scope", "read"], is_time)
        {
            made.push(token.split('_').nth(1).expect("the form of a key").to_owned());
        }
        if !keys.exists() {
            assert!(made.is_empty(), "{made:?}");
            continue;
        }
        let list = succeed(&["key", "list", "--file", file]);
        let found: Vec<&str> = list.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
        assert!(made.iter().all(|id| found.contains(&id.as_str())), "{made:?} are not all in\n{list}");
        assert!(revoked.iter().all(|id| !found.contains(&id.as_str())), "{revoked:?} are in\n{list}");
        let names = list.lines().skip(1).filter_map(|line| line.split_whitespace().last());
        let mut rounds: Vec<usize> =
            names.map(|name| name.trim_start_matches('k').parse().expect("a name of this test")).collect();
        rounds.dedup();
        assert!(rounds.len() == found.len() && rounds.iter().all(|made| *made <= round), "{list}");
    }
    assert!(!revoked.is_empty(), "in some rounds nothing was killed");
}

#[test]
fn the_server_speaks_tls_and_takes_another_certificate_without_a_restart() {
    let dir = TempDir::with_prefix("vitrine-tls-").expect("a temporary directory");
    let (certificate, key) = (dir.path().join("tls.crt"), dir.path().join("tls.key"));
    let files = format!("files.dir={}", text(dir.path()));
    let named = [format!("server.tls_cert={}", text(&certificate)), format!("server.tls_key={}", text(&key))];
    let start = |settings: &[&str]| {
        let mut args = vec!["serve", "--set", &files, "--listen", "127.0.0.1:0"];
        settings.iter().for_each(|setting| args.extend(["--set", setting]));
        let out = vitrine(&args);
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let (code, said) = start(&[&named[0]]);
    assert!(code == Some(78) && said.contains("without `server.tls_key`"), "{said}");
    let (code, said) = start(&[&named[0], &named[1]]);
    assert!(code == Some(78) && said.contains("tls.crt: cannot be read"), "{said}");
    let use_files = |authority: &Authority| {
        let signed = authority.sign("localhost");
        replace_file(&certificate, signed.pem);
        replace_file(&key, signed.key);
    };
    let [one, two] = [Authority::make(), Authority::make()];
    use_files(&one);
    let more = ["--set", "auth.required=false", "--set", &named[0], "--set", &named[1]];
    let (mut process, url) = serve(&files, &more);
    let address = url.trim_start_matches("http://").parse().expect("an address");
    let status = |trusted: &Authority| {
        let mut stream = trusted.connect(address, "localhost")?;
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        http::read_answer(&mut BufReader::new(stream), "GET").map(|answer| answer.status)
    };
    assert_eq!(status(&one).expect("the certificate is trusted"), 200);
    assert!(http::try_request("GET", &format!("{url}/livez"), &[], b"").is_err(), "no answer without TLS");
    use_files(&two);
    wait_until(SOON, "the second certificate is used", || status(&two).is_ok_and(|status| status == 200));
    assert!(status(&one).is_err());
    process.terminate();
    assert_eq!(process.wait_exit(SOON).code(), Some(0));
}
