//! One list of recommendations, composed from several sources.
//!
//! ```text
//!                       ┌▶ co_views, buy_again ──┐
//! page ─▶ its chain ────┼▶ als, content ─────────┼▶ first, or interleave ─▶ one list, each product once
//!         (a setting)   ├▶ best_sellers_for_you ─┤
//!                       └▶ best_sellers ─────────┘
//! ```
//! A [`Source`] makes a list from the published indexes; `als` also needs the model in its [`AlsSlot`], and `content` the
//! vectors in its [`ContentSlot`]. A [`Chain`] fills one list from its sources, and the [`Recommender`] has the chain of each
//! kind of page. To add a source, add a file under `sources/` and its name to [`SourceName`]. Answers over HTTP and
//! evaluations use the same chains. [`shadow`] compares the lists of the shop with those of the shadow.
//!
//! This crate knows no HTTP, JSON or wall clock.

mod chain;
mod models;
mod online;
mod recommender;
mod settings;
pub mod shadow;
mod similar;
mod slots;
mod source;
mod source_name;
mod sources;
mod variant;
mod workspace;

/// What [`ServedContent`] holds.
pub use ::models::content;
pub use chain::Chain;
pub use models::{ContentModel, Models, ModelsOn};
pub use online::{
    Answered, Online, OnlineSettings, OnlineStatus, ShownRow, SourceCounts, Stability, TestStatus, VariantStatus,
};
pub use recommender::Recommender;
pub use settings::{Fill, Page, Settings, TestSettings};
pub use similar::{SimilarProduct, SimilarReason};
pub use slots::{AlsSlot, ContentSlot, ServedAls, ServedContent};
pub use source::{Asked, Reason, Recommended, Source, is_personal};
pub use source_name::SourceName;
pub use sources::built_in;
pub use variant::Variant;
pub use workspace::Workspace;
