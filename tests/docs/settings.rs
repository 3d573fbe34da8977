//! `docs/SETTINGS.md` lists the settings that the program has, and its example is one that it takes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::help::commands;
use super::{generated, read, table};

/// Where the list begins and ends.
const LIST_OF_SETTINGS: (&str, &str) =
    ("<!-- settings: UPDATE_DOCS=1 writes them -->\n", "<!-- end of the settings -->");

/// The program in this directory, without a variable of the machine.
fn keybatch(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keybatch"));
    command.args(arguments).env_clear().env("HOME", "/nowhere").current_dir(directory).output().unwrap()
}

fn rows(directory: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = keybatch(directory, &[&["config", "show", "--output", "json"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Whether a file in the working directory may have the setting. An empty value is one for every setting.
fn is_user_only(directory: &Path, name: &str) -> bool {
    std::fs::write(directory.join("keybatch.toml"), format!("{name} = \"\"\n")).unwrap();
    let output = keybatch(directory, &["config", "show", "--output", "json"]);
    std::fs::remove_file(directory.join("keybatch.toml")).unwrap();
    if output.status.success() {
        return false;
    }
    let refusal: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(refusal["code"], "settings.user_only", "{name}");
    true
}

fn the_list_of_settings_is_what_the_program_has() {
    let home = tempfile::tempdir().unwrap();
    let mut of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let commands = commands(&[]);
    let has_none_below = |command: &&String| !commands.iter().any(|other| other.starts_with(&format!("{command} ")));
    for command in commands.iter().filter(has_none_below) {
        for row in rows(home.path(), &command.split(' ').collect::<Vec<_>>()) {
            of.entry(row["setting"].as_str().unwrap().to_owned()).or_default().push(command.clone());
        }
    }
    let mut text = "| setting | commands | default | file in the working directory |\n|---|---|---|---|\n".to_owned();
    for row in rows(home.path(), &[]) {
        let name = row["setting"].as_str().unwrap();
        let default = row["value"].as_str().map_or_else(|| "none".to_owned(), |value| format!("`{value}`"));
        let default = if name == "journal" { "`$XDG_DATA_HOME/keybatch/journal.db`".to_owned() } else { default };
        let may = if is_user_only(home.path(), name) { "no" } else { "yes" };
        let Some(commands) = of.remove(name) else { continue };
        let commands: Vec<_> = commands.iter().map(|command| format!("`{command}`")).collect();
        let commands = if commands.len() > 7 { "all".to_owned() } else { commands.join(", ") };
        text += &format!("| `{name}` | {commands} | {default} | {may} |\n");
    }
    let document = read("docs/SETTINGS.md");
    let (before, rest) = document.split_once(LIST_OF_SETTINGS.0).unwrap();
    let (_, after) = rest.split_once(LIST_OF_SETTINGS.1).unwrap();
    generated("docs/SETTINGS.md", &format!("{before}{}{text}{}{after}", LIST_OF_SETTINGS.0, LIST_OF_SETTINGS.1));
}

fn the_example_of_settings_is_one_that_the_program_takes() {
    let home = tempfile::tempdir().unwrap();
    let document = read("docs/SETTINGS.md");
    let example = document.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    std::fs::write(home.path().join("keybatch.toml"), example).unwrap();
    let found = rows(home.path(), &["run"]);
    let value = |name: &str| found.iter().find(|row| row["setting"] == name).unwrap()["value"].clone();
    assert_eq!(
        (value("max-deletes"), value("if-in-use"), value("skip-invalid")),
        ("2500".into(), "skip".into(), "true".into())
    );
}

/// The codes of faults in the document are those in the code.
fn the_codes_of_faults_of_settings_are_listed() {
    let listed: Vec<_> = table(&read("docs/SETTINGS.md"), "## Faults").into_iter().map(|row| row[0].clone()).collect();
    let code: String = ["file.rs"].map(|file| read(&format!("src/cli/settings/{file}"))).concat();
    let used: std::collections::BTreeSet<_> =
        code.split('"').filter(|word| word.starts_with("settings.")).map(|word| format!("`{word}`")).collect();
    assert_eq!(used, listed.into_iter().collect());
}

crate::harness::tests![
    the_list_of_settings_is_what_the_program_has,
    the_example_of_settings_is_one_that_the_program_takes,
    the_codes_of_faults_of_settings_are_listed
];
