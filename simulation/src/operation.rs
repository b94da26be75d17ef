//! The operations of a run, and how a seed chooses them.

use checkpoints::simulation::Dice;
use dataflow::time::Millis;

use crate::log::EventBody;
use crate::world;

/// One operation. Its numbers are taken modulo the available items, so any operation can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A user viewed a product some time ago.
    View {
        /// The user.
        user: usize,
        /// The product.
        product: usize,
        /// The partition it is written to.
        partition: usize,
        /// How long ago.
        ago_ms: Millis,
    },
    /// A view must be removed: a DELETE, which is answered.
    Removal {
        /// The user.
        user: usize,
        /// The product.
        product: usize,
        /// The partition it is written to.
        partition: usize,
    },
    /// A user did something else with a product, some time ago.
    Act {
        /// The user.
        user: usize,
        /// The product.
        product: usize,
        /// The partition it is written to.
        partition: usize,
        /// How long ago.
        ago_ms: Millis,
        /// What the event says.
        body: EventBody,
    },
    /// The producer of one of the last events of users sends it once more.
    Repeat {
        /// How many events were later.
        back: usize,
    },
    /// A user asks to be forgotten, which is answered.
    Erase {
        /// The user.
        user: usize,
        /// The partition it is written to.
        partition: usize,
    },
    /// A merchandising rule is written or deleted, which is answered.
    Rule {
        /// The rule.
        rule: usize,
        /// The product that it hides.
        product: usize,
        /// The partition it is written to.
        partition: usize,
        /// Whether it hides the product; otherwise it is deleted.
        hides: bool,
        /// How long it is effective; none if it does not end.
        lasts_ms: Option<Millis>,
    },
    /// Features before times of the past are asked for.
    Join {
        /// The seed of the questions.
        seed: u64,
    },
    /// A transaction of a producer is aborted.
    Abort {
        /// The topic.
        topic: usize,
        /// The partition.
        partition: usize,
        /// The number of records.
        records: usize,
    },
    /// A topic is deleted, and created again at once or later.
    DeleteTopic {
        /// The topic.
        topic: usize,
        /// The number of partitions of the new topic; `None` if it is not created again yet.
        anew: Option<usize>,
    },
    /// A topic is created if it is missing.
    CreateTopic {
        /// The topic.
        topic: usize,
        /// The number of partitions.
        partitions: usize,
    },
    /// A topic gets one more partition.
    AddPartition {
        /// The topic.
        topic: usize,
    },
    /// A partition loses its last records.
    Truncate {
        /// The topic.
        topic: usize,
        /// The partition.
        partition: usize,
        /// The number of records.
        records: usize,
    },
    /// A partition's first records expire.
    Expire {
        /// The topic.
        topic: usize,
        /// The partition.
        partition: usize,
        /// The number of offsets.
        records: usize,
    },
    /// A transaction of the shop's database.
    Transact {
        /// The seed of its content.
        seed: u64,
    },
    /// Transactions of other databases.
    Grow {
        /// The number of bytes of log.
        bytes: i64,
    },
    /// The slot is dropped.
    DropSlot,
    /// Another program moves the slot to the end.
    AdvanceSlot,
    /// The server removes log that the slot needs.
    LoseSlot,
    /// A table leaves the publication.
    Unpublish {
        /// The table.
        table: usize,
    },
    /// A statement rewrites all values of a column, which the log does not report.
    Rewrite {
        /// The table.
        table: usize,
    },
    /// A used column is dropped.
    BreakTable {
        /// The table.
        table: usize,
    },
    /// All used columns exist again.
    MendTables,
    /// The connection to the database breaks.
    Disconnect,
    /// Time passes.
    Pass {
        /// The number of milliseconds.
        ms: Millis,
    },
    /// The machine's clock is set.
    SetClock {
        /// Its error from now on.
        skew_ms: i64,
    },
    /// The watcher checks the topics.
    Look {
        /// Whether it checks everything.
        deep: bool,
    },
    /// The database sends transactions.
    Follow {
        /// The limit of their number.
        transactions: usize,
    },
    /// Arrived records are fed, and a tick closes.
    Tick {
        /// Limit of the number of records.
        budget: usize,
        /// Whether it closes for a cut.
        cut: bool,
        /// Whether it becomes visible only later.
        unseen: bool,
    },
    /// The last cut is written.
    Write {
        /// The fault of the disk meanwhile.
        fault: Option<Fault>,
    },
    /// The process is killed.
    Kill,
    /// The machine crashes.
    Crash {
        /// How much of the content that was not durable is lost.
        loss: u64,
    },
    /// The process is started, if it is not running.
    Start,
    /// No other operation happens until all records are visible.
    Rest,
}

/// A fault of the disk during a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The machine crashes at the n-th operation of the disk from now, with this loss.
    Crash(u64, u64),
    /// The n-th operation from now fails.
    Fail(u64),
    /// The disk has this many bytes left.
    Full(u64),
}

impl Operation {
    /// The operations of a seed.
    #[must_use]
    pub fn many(seed: u64, count: usize) -> Vec<Operation> {
        // Other events draw from dice of their own, so that the operations of known seeds stay the same.
        let (mut dice, mut other_dice) = (Dice::new(seed), Dice::new(!seed));
        let mut operations = Vec::new();
        for _ in 0..count {
            operations.extend(other_dice.once_in(6).then(|| Operation::of_events(&mut other_dice)));
            operations.push(Operation::one(&mut dice));
        }
        operations
    }

    /// What happens with events other than views and removals.
    fn of_events(dice: &mut Dice) -> Operation {
        let (user, product, partition) = (dice.one_of(world::USERS), dice.one_of(world::PRODUCTS), dice.one_of(4));
        match dice.below(100) {
            0..50 => {
                let body = match dice.below(6) {
                    0 => EventBody::TimedView { on_page_ms: dice.below(5000) },
                    1 => EventBody::Click,
                    2 => EventBody::AddToCart,
                    3 => EventBody::RemoveFromCart,
                    4 => EventBody::Search,
                    _ => EventBody::Purchase { other: dice.one_of(world::PRODUCTS) },
                };
                let ago_ms = if dice.once_in(4) { dice.below(20_000) } else { dice.below(300) };
                Operation::Act { user, product, partition, ago_ms, body }
            }
            50..75 => Operation::Repeat { back: dice.one_of(20) },
            75..81 => Operation::Erase { user, partition },
            81..99 => {
                let (rule, hides) = (dice.one_of(world::MERCH_RULES), !dice.once_in(3));
                let lasts_ms = dice.once_in(2).then(|| 1 + dice.below(3000));
                Operation::Rule { rule, product, partition, hides, lasts_ms }
            }
            _ => Operation::Join { seed: dice.roll() },
        }
    }

    fn one(dice: &mut Dice) -> Operation {
        let (user, product) = (dice.one_of(world::USERS), dice.one_of(world::PRODUCTS));
        let (topic, partition, records) = (usize::from(dice.once_in(3)), dice.one_of(4), 1 + dice.one_of(4));
        match dice.below(1000) {
            0..290 => {
                let ago_ms = if dice.once_in(5) { dice.below(20_000) } else { dice.below(300) };
                Operation::View { user, product, partition, ago_ms }
            }
            290..340 => Operation::Removal { user, product, partition },
            340..355 => Operation::Abort { topic, partition, records },
            355..465 => Operation::Transact { seed: dice.roll() },
            465..475 => Operation::Grow { bytes: 1 + dice.below(100) as i64 },
            475..630 => Operation::Pass { ms: dice.below(400) },
            630..635 => Operation::SetClock { skew_ms: dice.below(9000) as i64 - 3000 },
            635..680 => Operation::Look { deep: !dice.once_in(3) },
            680..750 => Operation::Follow { transactions: 1 + dice.one_of(6) },
            750..890 => {
                let budget = if dice.once_in(3) { 1 + dice.one_of(5) } else { 100 };
                Operation::Tick { budget, cut: dice.once_in(5), unseen: dice.once_in(10) }
            }
            890..926 => Operation::Write { fault: dice.once_in(6).then(|| Fault::one(dice)) },
            926..930 => Operation::Kill,
            930..933 => Operation::Crash { loss: dice.roll() },
            933..970 => Operation::Start,
            970..974 => {
                let anew = dice.one_of(4);
                Operation::DeleteTopic { topic, anew: (!dice.once_in(3)).then_some(anew) }
            }
            974..977 => Operation::CreateTopic { topic, partitions: dice.one_of(4) },
            977..980 => Operation::AddPartition { topic },
            980..983 => Operation::Truncate { topic, partition, records },
            983..986 => Operation::Expire { topic, partition, records: 1 + dice.one_of(10) },
            986..988 => Operation::DropSlot,
            988..990 => Operation::AdvanceSlot,
            990..991 => Operation::LoseSlot,
            991..994 => Operation::Disconnect,
            994..996 => Operation::of_tables(dice),
            _ => Operation::Rest,
        }
    }
}

impl Operation {
    /// An administrator alters the database's tables or the publication.
    fn of_tables(dice: &mut Dice) -> Operation {
        let table = dice.one_of(3);
        match dice.below(5) {
            0 => Operation::Unpublish { table },
            1 => Operation::Rewrite { table },
            2 => Operation::BreakTable { table },
            _ => Operation::MendTables,
        }
    }
}

impl Fault {
    fn one(dice: &mut Dice) -> Fault {
        match dice.below(3) {
            0 => Fault::Crash(dice.below(20), dice.roll()),
            1 => Fault::Fail(dice.below(20)),
            _ => Fault::Full(dice.below(3000)),
        }
    }
}
