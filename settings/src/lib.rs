//! How a setting is declared: once, with its key, unit, default, bounds and sentence, as a field of the struct that uses it.
//!
//! ```
//! settings::section! {
//!     /// Where parcels go.
//!     pub struct Parcels in "parcels" {
//!         /// Largest parcel.
//!         bytes_max: usize = 4096, "bytes", settings::whole(1, 65_536);
//!         /// Time until a parcel is given up.
//!         patience as "patience_s": std::time::Duration = 20, "s", settings::whole(1, 60) => settings::seconds;
//!     }
//! }
//! assert_eq!(Parcels::default().bytes_max, 4096);
//! assert_eq!(Parcels::section().settings[1].key, "parcels.patience_s");
//! ```
//! [`section!`] makes the struct, its [`Section`] for the example file, the documentation and the checks, `read` for
//! the values that a user gave, and `Default`, which is `read` with the declared defaults. The program reads the
//! sections of all crates from a file, the environment and flags; tests of a crate start from `Default`.

mod choice;
mod kind;
mod secret;
mod section;
mod setting;
mod value;

pub use kind::{Kind, whole};
pub use secret::Secret;
pub use setting::{Section, Setting};
pub use value::{FromValue, Value, seconds};
