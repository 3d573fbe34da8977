//! The campaigns of `docs/RELIABILITY.md`: every command in it names tests and variables that exist, and every
//! campaign is in it.

use std::path::PathBuf;

use super::{read, repository};

/// The test crate `name` with its modules.
fn crate_text(name: &str) -> String {
    let root = repository(&format!("tests/{name}"));
    assert!(root.join("main.rs").is_file(), "there is no test crate in {}", root.display());
    let mut text = String::new();
    let mut folders: Vec<PathBuf> = vec![root];
    while let Some(folder) = folders.pop() {
        let Ok(items) = std::fs::read_dir(&folder) else { continue };
        for item in items {
            let path = item.unwrap().path();
            if path.is_dir() { folders.push(path) } else { text += &std::fs::read_to_string(path).unwrap() }
        }
    }
    text
}

/// The indented lines of the document that call cargo.
fn commands() -> Vec<String> {
    let document = read("docs/RELIABILITY.md");
    let lines = document.lines().filter_map(|line| line.strip_prefix("    "));
    lines.filter(|line| line.contains("cargo test")).map(str::to_owned).collect()
}

fn every_command_names_what_there_is() {
    let commands = commands();
    assert!(commands.len() >= 8, "{commands:#?}");
    for command in commands {
        let words: Vec<&str> = command.split_whitespace().collect();
        let Some(at) = words.iter().position(|word| *word == "--test") else {
            // All of the campaigns.
            assert_eq!(command, "KEYBATCH_CAMPAIGNS=whole cargo test");
            assert!(read("tests/support/campaign.rs").contains("\"KEYBATCH_CAMPAIGNS\""));
            assert!(read(".ci/run").contains("\nKEYBATCH_CAMPAIGNS=whole $tests "));
            continue;
        };
        let text = crate_text(words[at + 1]);
        for word in words.iter().take_while(|word| **word != "cargo") {
            let (name, _) = word.split_once('=').unwrap_or_else(|| panic!("{word} sets nothing: {command}"));
            assert!(text.contains(&format!("\"{name}\"")), "{command}: nothing reads {name}");
        }
        for filter in words[at + 2..].iter().take_while(|word| **word != "--").flat_map(|word| word.split("::")) {
            let is_named = text.lines().any(|line| {
                let line = line.trim();
                let begins = line.strip_prefix("pub(crate) ").unwrap_or(line);
                (begins.starts_with("fn ") || begins.starts_with("mod ")) && begins.contains(filter)
            });
            assert!(is_named, "{command}: no test is named {filter}");
        }
    }
}

fn every_campaign_is_listed() {
    let document = read("docs/RELIABILITY.md");
    for name in ["simulation", "small_scope", "kill_points", "power_loss", "io_faults", "tampering", "hostile"] {
        let tells = |command: &String| command.split([' ', ':']).any(|word| word == name);
        assert!(commands().iter().any(tells), "{name} is missing");
    }
    assert!(document.contains("fuzz/run") && repository("fuzz/run").is_file());
}

crate::harness::tests![every_command_names_what_there_is, every_campaign_is_listed];
