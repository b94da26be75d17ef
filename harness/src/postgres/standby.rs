//! A second server that streams from the first, and takes its place.

use std::time::Duration;

use super::{BOOT_DEADLINE, Server, connect, own_dir, server_program};
use crate::{Process, free_port, wait_until};

const PROMOTED_S: i32 = 180;
const STREAMED: Duration = Duration::from_secs(180);

impl Server {
    /// Makes a hot standby: a copy of this server's cluster (`pg_basebackup`) on a port of its own that streams from it
    /// through a slot, asynchronously, as servers do by default. Returns once it answers queries and is connected.
    #[track_caller]
    pub fn standby(&self) -> Server {
        self.standby_through(self.port)
    }

    /// As [`Server::standby`], with a proxy of this server at that port in between: a standby that lags behind, or is cut off.
    #[track_caller]
    pub fn standby_through(&self, upstream: u16) -> Server {
        let (dir, port) = (own_dir(), free_port());
        let slot = format!("standby_{port}");
        let mut copy = server_program("pg_basebackup", dir.path());
        let source = format!("host=127.0.0.1 port={upstream} user=postgres application_name={slot}");
        copy.args(["--dbname", &source, "--write-recovery-conf", "--create-slot", "--slot", &slot]);
        copy.args(["--checkpoint", "fast", "--no-sync", "--pgdata"]).arg(dir.path().join("cluster"));
        Process::run_in("pg_basebackup", copy, dir.path(), BOOT_DEADLINE);
        let mut standby = Server { process: None, port, dir };
        standby.restart();
        let mut client = self.client();
        let streams = "SELECT FROM pg_stat_replication WHERE application_name = $1 AND state = 'streaming'";
        wait_until(STREAMED, "the standby streams", || {
            client.query_opt(streams, &[&slot]).expect("the query is valid").is_some()
        });
        standby
    }

    /// Waits until this standby has replayed everything that `primary` has written by now.
    #[track_caller]
    pub fn wait_replayed(&self, primary: &Server) {
        let row = primary.client().query_one("SELECT pg_current_wal_lsn()::text", &[]).expect("the query is valid");
        let (written, mut client): (String, _) = (row.get(0), self.client());
        let replayed = "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn";
        wait_until(STREAMED, "the standby has replayed everything", || {
            client.query_one(replayed, &[&written]).expect("the query is valid").get(0)
        });
    }

    /// Promotes this standby to a server of its own, on a new timeline: from now on it accepts writes. The server that
    /// it streamed from is not contacted, and may be gone.
    #[track_caller]
    pub fn promote(&self) {
        let promoted = self.client().query_one("SELECT pg_promote(true, $1)", &[&PROMOTED_S]);
        assert!(promoted.expect("it is a standby").get::<_, bool>(0), "not promoted within {PROMOTED_S} s");
    }

    /// The server's timeline, whose number rises with each promotion.
    #[track_caller]
    pub fn timeline(&self) -> i32 {
        let sql = "SELECT timeline_id FROM pg_control_checkpoint()";
        // A checkpoint writes the control file, and a promotion only requests a checkpoint.
        let mut client = connect(&self.url());
        client.batch_execute("CHECKPOINT").expect("the test is a superuser");
        client.query_one(sql, &[]).expect("the query is valid").get(0)
    }
}
