//! What the program writes about itself and for others: a manual page for each command, and the policy that each role needs.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use serde_json::Value;

use super::help::commands;
use super::read;

/// The macros that a page may have, beside the preamble that every roff needs.
const MACROS: [&str; 13] = [".TH", ".SH", ".TP", ".PP", ".br", ".nf", ".fi", ".RS", ".RE", ".ie", ".el", ".SS", ".IP"];

fn keybatch(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_keybatch")).args(arguments).env_clear().output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Each command has a page with its sections, all its options, and nothing that roff would take for a request.
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("man1");
    keybatch(&["man", "--dir", path.to_str().unwrap()]);
    let found: BTreeSet<_> =
        std::fs::read_dir(&path).unwrap().map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
    let commands = commands(&[]);
    let name = |command: &String| format!("keybatch-{}.1", command.replace(' ', "-"));
    let expected: BTreeSet<_> = commands.iter().map(name).chain(["keybatch.1".to_owned()]).collect();
    assert_eq!(found, expected);
    for command in commands {
        let words: Vec<_> = command.split(' ').collect();
        let page = std::fs::read_to_string(path.join(name(&command))).unwrap();
        let alone = String::from_utf8(keybatch(&[&["man"], &words[..]].concat()).stdout).unwrap();
        assert_eq!(page, alone, "{command}");
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "SEE ALSO"] {
            assert!(
                page.contains(&format!(".SH {section}\n")) || page.contains(&format!(".SH \"{section}\"\n")),
                "{command}: {section}"
            );
        }
        for line in page.lines().filter(|line| line.starts_with(['.', '\''])) {
            assert!(MACROS.contains(&line.split(' ').next().unwrap()), "{command}: {line}");
        }
        let help = String::from_utf8(keybatch(&[&["help"], &words[..]].concat()).stdout).unwrap();
        let options = help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2);
        let is_end = |c: char| !c.is_ascii_alphanumeric() && c != '-';
        for option in options.map(|option| option.split(is_end).next().unwrap()) {
            assert!(page.contains(&option.replace('-', "\\-")), "{command}: {option} is missing\n{page}");
        }
        for variable in help.split("[env: ").skip(1).map(|rest| rest.split(['=', ']']).next().unwrap()) {
            assert!(page.contains(variable), "{command}: {variable} is missing");
        }
    }
}

/// The requests that the port can send, as actions of IAM.
pub(super) fn requests_of_the_port() -> BTreeSet<String> {
    let port = read("src/lightsail/mod.rs");
    // What is not a request answers at once.
    let requests = port.split("\n    fn ").skip(1).filter(|text| {
        let signature = text.split(['{', ';']).next().unwrap_or_default();
        signature.contains("impl Future")
    });
    let methods = requests.filter_map(|text| text.split('(').next());
    let action = |name: &str| match name {
        "caller_identity" => "sts:GetCallerIdentity".to_owned(),
        name => {
            let word = |word: &str| word[..1].to_uppercase() + &word[1..];
            format!("lightsail:{}", name.split('_').map(word).collect::<String>())
        }
    };
    methods.map(action).collect()
}

/// The operator may send what keybatch sends and nothing else; the others may not delete.
fn the_policy_of_each_role_is_what_keybatch_asks() {
    let actions = |role: &str| -> BTreeSet<String> {
        let output = keybatch(&["iam-policy", "--role", role]);
        let policy: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(policy["Version"], "2012-10-17");
        assert!(String::from_utf8_lossy(&output.stderr).contains("IAM cannot narrow"));
        let statements = policy["Statement"].as_array().unwrap();
        assert!(
            statements.iter().all(|statement| statement["Effect"] == "Allow" && statement["Resource"] != Value::Null)
        );
        let all = statements.iter().flat_map(|statement| statement["Action"].as_array().unwrap());
        all.map(|action| action.as_str().unwrap().to_owned()).collect()
    };
    let mut asked = requests_of_the_port();
    assert_eq!(actions("operator"), asked);
    asked.remove("lightsail:DeleteKeyPair");
    assert!(actions("planner").is_subset(&asked));
    asked.insert("cloudtrail:LookupEvents".to_owned());
    assert_eq!(actions("reviewer"), asked);
}

crate::harness::tests![every_command_has_a_manual_page, the_policy_of_each_role_is_what_keybatch_asks];
