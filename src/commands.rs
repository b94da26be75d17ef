//! The commands, one file each. This file loads the configuration, runs the command and decides the exit code.

pub mod archive;
pub mod check;
pub mod checkpoint;
pub mod demo;
pub mod evaluate;
pub mod features;
pub mod generate;
pub mod import;
pub mod key;
pub mod model;
pub mod postgres;
pub mod produce;
pub mod replay;
pub mod serve;
pub mod train;

mod broker;
mod database;
mod ending;
mod progress;
mod shop_tables;
mod signals;

use std::io::Write as _;
use std::process::ExitCode;

use crate::cli::{Cli, Command, PostgresAction};
use crate::config::{self, Config, Request};
use crate::logging;
use crate::system::cluster;

/// Runs the command; errors go to stderr.
pub fn run(cli: Cli) -> ExitCode {
    match execute(cli.command) {
        Ok(code) => code,
        Err(error) => {
            // The alternate form is one line with all causes and no backtrace. If stderr is closed, only the exit code
            // reports the failure.
            let _ = writeln!(std::io::stderr(), "vitrine: {error:#}");
            let configuration = error.is::<config::Errors>() || cluster::is_misconfigured(&error);
            ExitCode::from(if configuration { config::EXIT_CODE } else { 1 })
        }
    }
}

fn execute(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => {
            let config = load(&args.request())?;
            config.require_source()?;
            serve::run(config).map(|()| ExitCode::SUCCESS)
        }
        Command::Demo(args) => {
            let config = load(&args.request())?;
            demo::run(args, config).map(|()| ExitCode::SUCCESS)
        }
        Command::Produce(args) => {
            let config = load(&args.request())?;
            produce::run(&args, &config)
        }
        Command::Generate(args) => {
            let config = load(&args.request())?;
            generate::run(&args, &config).map(|()| ExitCode::SUCCESS)
        }
        Command::Import(args) => import::import(&args, &load(&args.request())?),
        Command::Export(args) => import::export(&args, &load(&args.request())?),
        Command::Replay(args) => {
            let config = load(&args.request())?;
            config.require_source()?;
            replay::run(&args, &config)
        }
        Command::Evaluate(args) => {
            let config = load(&args.request())?;
            evaluate::run(&args, config)
        }
        Command::Features(args) => {
            let config = load(&args.request())?;
            config.require_source()?;
            features::run(&args, config)
        }
        Command::Train(args) => {
            let config = load(&args.request())?;
            config.require_source()?;
            train::run(&args, &config)
        }
        Command::Model(args) => model::run(&args, &load(&args.request())?),
        Command::Check(args) => {
            let config = load(&args.settings.request(&[]))?;
            config.require_source()?;
            check::run(&config)
        }
        Command::Checkpoint(args) => {
            let config = load(&args.request())?;
            checkpoint::run(&args, &config)
        }
        Command::Key(args) => key::run(&args, &load(&args.request())?),
        Command::Archive(args) => {
            let config = load(&args.request())?;
            archive::run(&args, &config)
        }
        Command::Postgres(args) => {
            let PostgresAction::Adopt { system, settings } = args.action;
            postgres::adopt(system, &load(&settings.request(&[]))?)
        }
    }
}

fn load(request: &Request) -> Result<Config, config::Errors> {
    let config = Config::load(request)?;
    logging::init(&config.log);
    Ok(config)
}
