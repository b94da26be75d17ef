//! Files that a running program reads while a test changes them.

use std::fs;
use std::path::Path;

/// Gives the file this text in one step, as a careful program does: whoever reads the path meanwhile finds the old text
/// or the new one, and never an empty file or a part of one.
///
/// The text is first written to a hidden file beside it, which then takes its name.
#[track_caller]
pub fn replace_file(path: impl AsRef<Path>, text: impl AsRef<[u8]>) {
    let path = path.as_ref();
    let name = path.file_name().expect("the path names a file").to_string_lossy();
    let new = path.with_file_name(format!(".{name}.new"));
    let replaced = fs::write(&new, text).and_then(|()| fs::rename(&new, path));
    replaced.unwrap_or_else(|error| panic!("cannot replace {}: {error}", path.display()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_the_new_text_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list.csv");
        for text in ["first", "second"] {
            replace_file(&path, text);
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
