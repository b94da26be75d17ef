//! Flags of every command: where settings come from.

use std::path::PathBuf;

use clap::Args;

use crate::config::{Flag, Request};

/// Where settings come from.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigArgs {
    /// TOML file with settings; vitrine.toml is a commented example
    #[arg(short, long, value_name = "FILE", env = "VITRINE_CONFIG", help_heading = "Settings")]
    pub config: Option<PathBuf>,
    /// One setting, which overrides the file and the environment; may be repeated: --set rules.list_size=5
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_and_value, help_heading = "Settings")]
    pub set: Vec<(String, String)>,
    /// Format of the log: text or json
    #[arg(long, value_name = "FORMAT", help_heading = "Settings")]
    pub log_format: Option<String>,
    /// Level of the log: error, warn, info, debug, trace or off, or a filter such as info,sources=debug
    #[arg(long, value_name = "LEVEL", help_heading = "Settings")]
    pub log_level: Option<String>,
}

impl ConfigArgs {
    /// The configuration to load, from these flags, this process's environment, and the command's own flags, each given
    /// as flag, setting and value.
    pub fn request(&self, own: &[(&str, &str, Option<String>)]) -> Request {
        let flag =
            |name: &str, key: &str, value: &str| Flag { name: name.into(), key: key.into(), value: value.into() };
        let mut flags: Vec<Flag> = self.set.iter().map(|(key, value)| flag("--set", key, value)).collect();
        let common = [("--log-format", "log.format", &self.log_format), ("--log-level", "log.level", &self.log_level)];
        let own = own.iter().map(|(name, key, value)| (*name, *key, value));
        let given = common.into_iter().chain(own).filter_map(|(name, key, value)| Some((name, key, value.as_deref()?)));
        flags.extend(given.map(|(name, key, value)| flag(name, key, value)));
        // A variable that is not UTF-8 cannot be a setting. If its name begins with the prefix of settings, it is
        // reported as a wrong value.
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let environment = std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
        Request { file: self.config.clone(), environment, flags }
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE, such as rules.list_size=5")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}
