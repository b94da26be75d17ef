//! Another server answers than the server that the rows came from: a copy that has taken over is accepted, any other
//! server only when a person adopts it. Either costs a reading of the tables.

use dataflow::feed::StreamFingerprint;
use dataflow::source_status::State;
use harness::postgres::{Server, connect, execute};
use sources::postgres::{Adopt, Settings, adopt};

use crate::mirror::{Mirror, ROWS, TABLES, database};
use crate::resuming::{MEANWHILE, earlier, keeping};
use crate::running::SOON;

/// As after a promotion, seen from the process that was there before it: the same system, a later timeline.
#[test]
fn a_copy_that_took_over_is_read_anew_by_itself() {
    let url = database("resume_promoted", &[TABLES, ROWS].concat());
    let mut kept = earlier(&url);
    let StreamFingerprint { at, hash } = kept.position.fingerprint.unwrap();
    kept.position.fingerprint = Some(StreamFingerprint { at: at - 1, hash });
    execute(&url, MEANWHILE);
    let mirror = Mirror::start(keeping(&url), Some(&kept));
    mirror.agrees();
    mirror.live();
    assert_eq!(mirror.view().accepted, 1 + 1 + 2 + 2 + 2, "a difference, not all of it again");
    harness::wait_until(SOON, "a restart would go on", || mirror.kept().position.next > 0);
    assert_eq!(mirror.kept().position.fingerprint, Some(StreamFingerprint { at, hash }));
    mirror.follows("DELETE FROM orders WHERE order_id = '4'");
}

#[test]
fn another_server_stands_still_until_a_person_adopts_it() {
    let url = database("resume_elsewhere", &[TABLES, ROWS].concat());
    let kept = earlier(&url);
    let StreamFingerprint { at, hash } = kept.position.fingerprint.unwrap();
    let dir = tempfile::tempdir().unwrap();
    for (number, fingerprint) in
        [StreamFingerprint { at, hash: hash + 1 }, StreamFingerprint { at: at + 1, hash }].into_iter().enumerate()
    {
        let mut kept = kept.clone();
        kept.position.fingerprint = Some(fingerprint);
        execute(&url, "UPDATE orders SET user_id = user_id || 'x'; DELETE FROM order_items WHERE product_id = 'chair'");
        let file = dir.path().join(number.to_string());
        let keeping = |url| Settings { adopt: Adopt { system: None, file: Some(file.clone()) }, ..keeping(url) };
        let mirror = Mirror::start(keeping(&url), Some(&kept));
        mirror.complains(&[
            "another server than the rows came from",
            &format!("system {hash}, timeline {at} here"),
            &format!("system {}, timeline {} there", fingerprint.hash, fingerprint.at),
            "run vitrine postgres adopt",
            &format!("[postgres] adopt = \"{hash}\""),
        ]);
        assert!(matches!(mirror.view().state, State::Stopped(_)));
        adopt::name(&file, hash + 2).unwrap();
        let mut client = connect(&url);
        let mut sessions = || {
            let sql = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()";
            client.query_one(sql, &[]).unwrap().get::<_, i64>(0)
        };
        let before = sessions();
        harness::wait_until(SOON, "it is looked at again and again", || sessions() >= before + 4);
        assert_eq!(mirror.kept().rows, kept.rows, "the rows stay as they were: a third server was named");
        assert_eq!(mirror.kept().position, kept.position);
        adopt::name(&file, hash).unwrap();
        mirror.agrees();
        mirror.live();
        harness::wait_until(SOON, "a restart would go on", || mirror.kept().position.next > 0);
        assert_eq!(mirror.kept().position.fingerprint, Some(StreamFingerprint { at, hash }));
        mirror.follows("INSERT INTO orders VALUES (gen_random_uuid()::text, NULL, 'eve', now())");
        assert!(mirror.view().accepted <= 20, "a difference, not all of it again");
        // What was adopted needs no word any more.
        let kept = mirror.stop();
        std::fs::remove_file(&file).unwrap();
        let mirror = Mirror::start(keeping(&url), Some(&kept));
        mirror.agrees();
        mirror.live();
    }
}

/// The setting says the same as the file.
#[test]
fn another_server_is_adopted_by_a_setting() {
    let url = database("resume_adopted", &[TABLES, ROWS].concat());
    let mut kept = earlier(&url);
    let StreamFingerprint { at, hash } = kept.position.fingerprint.unwrap();
    kept.position.fingerprint = Some(StreamFingerprint { at: at + 4, hash: hash - 1 });
    kept.position.next += 1 << 40;
    execute(&url, MEANWHILE);
    let mirror =
        Mirror::start(Settings { adopt: Adopt { system: Some(hash), file: None }, ..keeping(&url) }, Some(&kept));
    mirror.agrees();
    mirror.live();
    mirror.follows("DELETE FROM orders WHERE order_id = '4'");
}

/// A real one: it streams, and takes over.
#[test]
fn a_standby_that_was_promoted_is_gone_on_with() {
    let primary = Server::start();
    let name = "promoted";
    let before = primary.create_database(name);
    execute(&before, &[TABLES, ROWS].concat());
    let kept = earlier(&before);
    let standby = primary.standby();
    execute(&before, MEANWHILE);
    standby.wait_replayed(&primary);
    standby.promote();
    // The server that is lost had more, which nobody will see again.
    execute(&before, "DELETE FROM orders");
    let after = standby.url_of(name);
    execute(&after, "INSERT INTO orders VALUES ('5', NULL, 'zoe', now())");
    let mirror = Mirror::start(keeping(&after), Some(&kept));
    mirror.agrees();
    mirror.live();
    assert_eq!(mirror.view().accepted, 1 + 1 + 2 + 2 + 2 + 1, "a difference, not all of it again");
    let fingerprint = mirror.kept().position.fingerprint.unwrap();
    let first = kept.position.fingerprint.unwrap();
    assert_eq!((fingerprint.hash, fingerprint.at), (first.hash, first.at + 1));
    mirror.follows("DELETE FROM orders WHERE order_id = '4'");
    // Whoever still asks the server of before is told: it is not what the rows came from any more.
    let kept = mirror.stop();
    let mirror = Mirror::start(keeping(&before), Some(&kept));
    mirror.complains(&["another server than the rows came from, or an earlier copy of it"]);
    assert_eq!(mirror.kept().rows, kept.rows);
}
