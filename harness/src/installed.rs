//! Finds the services that `scripts/install` puts on the machine.

use std::env;
use std::path::{Path, PathBuf};

/// Where the installer puts what it downloads: `VITRINE_CACHE` or the checkout's `.cache`.
fn cache() -> PathBuf {
    env::var_os("VITRINE_CACHE").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache"), PathBuf::from)
}

/// A program of the Python packages in `services/python`, such as `python` itself, which imports them.
#[track_caller]
pub fn python_program(name: &str) -> PathBuf {
    let venv = cache().join("python");
    // The installer writes this file last.
    assert!(venv.join("requirements.txt").is_file(), "no Python packages in {}: run scripts/install", venv.display());
    found(venv.join("bin").join(name))
}

/// A program of the npm packages in `services/node`.
#[track_caller]
pub fn node_program(name: &str) -> PathBuf {
    found(cache().join("node/node_modules/.bin").join(name))
}

#[track_caller]
fn found(program: PathBuf) -> PathBuf {
    assert!(program.is_file(), "there is no {}: run scripts/install", program.display());
    std::path::absolute(program).expect("the current directory has a name")
}

/// The directory of Kafka's jars.
pub(crate) fn kafka_libs() -> PathBuf {
    let libs = cache().join("kafka/libs");
    // The installer writes this file last.
    assert!(libs.join("pom.xml").is_file(), "Kafka's jars are not in {}: run scripts/install", libs.display());
    libs
}

/// The directory of the newest PostgreSQL server's programs.
pub(crate) fn postgres_bin() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    versions
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.parse::<u32>().ok())
        .map(|version| (version, PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"))))
        .filter(|(_, bin)| bin.join("initdb").is_file())
        .max()
        .map(|(_, bin)| bin)
        .expect("PostgreSQL's server is not under /usr/lib/postgresql: run scripts/install")
}

/// The full path of a program on `PATH`.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("no {name} on PATH: run scripts/install"))
}
