//! `docs/CLI.md` is what the program says about itself.

use std::process::Command;

use super::generated;

/// The program without a variable of the machine: what is set shows in the help.
fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_keybatch")).args(arguments).env_clear().output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// The commands below these words in the order in which the program lists them, each followed by those below it: `config`,
/// `config show`.
pub(super) fn commands(below: &[&str]) -> Vec<String> {
    let text = help(&[&["help"], below].concat());
    let listed = text.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|name| !name.is_empty()));
    let with_below = |name: &str| {
        let words = [below, &[name]].concat();
        let mut found = vec![words.join(" ")];
        found.extend(commands(&words));
        found
    };
    names.filter(|name| *name != "help").flat_map(with_below).collect()
}

// SEMANTICS: P58
fn the_reference_of_the_command_line_is_what_the_program_says() {
    let mut text =
        "# The command line\n\nWritten by the program itself; `UPDATE_DOCS=1 cargo test --test docs` renews it.\n\n"
            .to_owned();
    text += &format!("```text\n{}```\n", help(&["--help"]));
    for command in commands(&[]) {
        let words: Vec<_> = std::iter::once("help").chain(command.split(' ')).collect();
        text += &format!("\n## keybatch {command}\n\n```text\n{}```\n", help(&words));
    }
    text += "\n## Errors\n\nWith `--output json` or `jsonl`, an error is an object on standard output:\n\n";
    text += "```json\n{\"schema\":\"keybatch.error/1\",\"code\":\"manifest.region\",\"exit\":4,\"message\":\"…\",\"causes\":[],\"hints\":[\"…\"],\n \
             \"sent\":\"nothing|reads|deletes\",\"run\":null,\"fault_counts\":{\"manifest.region\":1},\n \
             \"faults\":[{\"file\":\"…\",\"line\":2,\"column\":5,\"code\":\"manifest.region\",\"message\":\"…\",\"hint\":\"…\"}]}\n```\n\n";
    text += "`sent` says what had left the machine by then. Where the journal has the run, the object has the fields of the summary, too;\n\
             `schema` is `keybatch.summary/1` once deleting had begun. Faults of a manifest have codes of their own, `manifest.` and a word.\n\n";
    text += "| code | meaning |\n|---|---|\n";
    for code in keybatch::cli::Code::ALL {
        text += &format!("| `{}` | {} |\n", code.as_str(), code.meaning());
    }
    generated("docs/CLI.md", &text);
}

crate::harness::tests![the_reference_of_the_command_line_is_what_the_program_says];
