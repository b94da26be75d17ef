//! `vitrine key`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use query_server::Scope;

use super::ConfigArgs;
use crate::config::Request;

const HELP: &str = "\
Examples:
  vitrine key create --file keys.toml --name shop --scope read --scope events
  vitrine key create --config vitrine.toml --name page --scope read --origin https://shop.example --requests-per-s 50
  vitrine key list --file keys.toml
  vitrine key revoke --file keys.toml 1a2b3c4d

The new key is the only output of create, and is shown this once: the file holds its digest. A server whose setting auth.keys \
names the file uses the change within a second. To rotate a key, create a second one of the same name, give it to its \
users, and revoke the first one.";

/// Flags of `vitrine key`.
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP, arg_required_else_help = true)]
pub struct KeyArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub action: KeyAction,
}

/// What to do with keys.
#[derive(Debug, Clone, Subcommand)]
pub enum KeyAction {
    /// Make a key and print it
    Create {
        /// What the key is for; at most two keys have one name
        #[arg(long, value_name = "NAME")]
        name: String,
        /// What it allows; may be repeated
        #[arg(long = "scope", value_name = "SCOPE", required = true, value_parser = scope())]
        scopes: Vec<String>,
        /// Origin whose pages may use it, such as `https://shop.example`; may be repeated; by default everyone may
        #[arg(long = "origin", value_name = "ORIGIN")]
        origins: Vec<String>,
        /// Requests per second; by default the setting auth.requests_per_s
        #[arg(long, value_name = "N")]
        requests_per_s: Option<u32>,
        /// Requests at once after a pause; by default the setting auth.burst
        #[arg(long, value_name = "N")]
        burst: Option<u32>,
        /// Where the keys are.
        #[command(flatten)]
        place: KeyPlace,
    },
    /// List the keys
    List {
        /// Where they are.
        #[command(flatten)]
        place: KeyPlace,
    },
    /// Remove a key, which is not valid from then on
    Revoke {
        /// Id of the key, the first column of list
        #[arg(value_name = "ID")]
        id: String,
        /// Where the keys are.
        #[command(flatten)]
        place: KeyPlace,
    },
}

/// Where keys are.
#[derive(Debug, Clone, Default, Args)]
pub struct KeyPlace {
    /// File with the keys; by default the setting auth.keys
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Where settings come from.
    #[command(flatten)]
    pub settings: ConfigArgs,
}

fn scope() -> PossibleValuesParser {
    PossibleValuesParser::new(Scope::OF_KEYS.map(Scope::word))
}

impl KeyArgs {
    /// The configuration to load.
    pub fn request(&self) -> Request {
        let (KeyAction::Create { place, .. } | KeyAction::List { place } | KeyAction::Revoke { place, .. }) =
            &self.action;
        let file = place.file.as_ref().map(|file| file.to_string_lossy().into_owned());
        place.settings.request(&[("--file", "auth.keys", file)])
    }
}
