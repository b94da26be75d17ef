//! The oracle: whatever is given, in whatever order, batches and workers, every list at every closed tick is the one
//! that a plain recomputation over the whole history gives, rank by rank.
//!
//! ```text
//! histories (random, legal) ─┬─▶ cluster: 1, 2, 4 workers, three ways to pace them ─▶ samples of a IndexReader, changes ─┐
//!                            └─▶ plain: the definitions, recomputed from nothing ─────▶ lists as of any time ──────┴▶ equal?
//! ```
//! What each part would catch: `properties` wrong lists and orders under every split of the input; `edges` the cases
//! that were once wrong or are easily made wrong, each by name; `live` what a reader on another thread could see of the
//! real engine, and that a position it waits for covers what it wrote;
//! `cuts` a checkpoint that holds another state than that of its tick, or a restart from it that shows another; `replay` a step that holds too much or too little,
//! or hangs on anything but the records; `readiness` a process that does not know that another one is not live.
//!
//! `PROPTEST_CASES` sets how many histories each property tries.

mod cluster;
mod cuts;
mod edges;
mod given;
mod histories;
mod live;
mod meeting;
mod plain;
mod processes;
mod properties;
mod readiness;
mod replay;
mod seen;
