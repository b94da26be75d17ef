//! The settings as the commented example file and as the documentation's table, printed from the one list.

use settings::{Section, Setting};

use super::setting::sections;

/// Width of the example file's comments.
const WIDTH: usize = 110;

const HEADER: &str = "\
# All settings of Vitrine with their defaults. Delete the lines that you do not change.
#
# Precedence: defaults < this file < environment < flags of the command line.
# Environment: VITRINE__SECTION__KEY, such as VITRINE__SERVER__LISTEN=0.0.0.0:8080. Commas separate the values of a list.
# Strings here may use ${VAR} and ${VAR:-default} of the environment. $$ is one dollar sign. A setting marked \"or KEY_file\"
# may name a file that holds the value, for example a mounted secret.
# `vitrine check --config THIS_FILE` connects to everything named here, and prints how to repair what is wrong.
";

/// The example file: every setting with unit, default and sentence. `[files]` is commented out, as it excludes the
/// services, and so are `[store]` and `[checkpoint]`, as they write to the disk.
pub fn example() -> String {
    let mut text = HEADER.to_owned();
    for section in sections() {
        let off = if ["files", "store", "checkpoint"].contains(&section.name) { "# " } else { "" };
        text += "\n";
        comment(&mut text, section.sentence);
        text += &format!("{off}[{}]\n", section.name);
        for setting in section.settings.iter().filter(|setting| !setting.is_free()) {
            comment(&mut text, &remark(setting));
            text += &format!("{off}{} = {}\n", setting.name(), setting.default());
        }
    }
    text
}

/// The documentation's table: one row a setting.
pub fn reference_table() -> String {
    let mut text = String::from("| setting | default | unit | allowed | what it does |\n|---|---|---|---|---|\n");
    for Section { settings, .. } in sections() {
        for setting in settings {
            let (key, default) = match setting.is_free() {
                true => (format!("{}.*", setting.key), String::new()),
                false => (setting.key.to_owned(), format!("`{}`", setting.default())),
            };
            let file = if setting.secret { " Or `_file`." } else { "" };
            text += &format!(
                "| `{key}` | {default} | {} | {} | {}{file} |\n",
                setting.unit,
                setting.kind.allowed(),
                setting.sentence
            );
        }
    }
    text
}

fn remark(setting: &Setting) -> String {
    let brief = setting.kind.brief().map_or_else(String::new, |brief| format!(", {brief}"));
    let file = if setting.secret { format!("; or {}_file", setting.name()) } else { String::new() };
    format!("{} ({}{brief}{file})", setting.sentence, setting.unit)
}

fn comment(text: &mut String, sentence: &str) {
    let mut line = String::from("#");
    for word in sentence.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH && line.len() > 1 {
            *text += &line;
            text.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line += word;
    }
    *text += &line;
    text.push('\n');
}
