//! `keybatch man`: manual pages, one for each command, made from the command line itself.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Command;
use clap_mangen::Man;

use super::{CliError, Code, Context, Exit};

/// Print a manual page, or write all of them
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  keybatch man run | man -l -
  keybatch man --dir ~/.local/share/man/man1")]
pub(super) struct Args {
    /// The command whose page is printed [default: keybatch itself]
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    command: Vec<String>,
    /// Write the pages of all commands into this directory, over older ones
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn run(args: &Args, whole: Command, context: &Context) -> Result<Exit, CliError> {
    let mut whole = whole.disable_help_subcommand(true);
    whole.build();
    let Some(directory) = &args.dir else {
        let page = render(find(&whole, &args.command)?)?;
        context.ui.data(&String::from_utf8_lossy(&page))?;
        return Ok(Exit::Success);
    };
    let failed = |error: std::io::Error| {
        let message = format!("the pages cannot be written to {}: {error}", directory.display());
        CliError::new(Exit::Environment, message).code(Code::Output)
    };
    std::fs::create_dir_all(directory).map_err(failed)?;
    let mut written = 0;
    for command in all(&whole) {
        let path = directory.join(Man::new(command.clone()).get_filename());
        std::fs::write(path, render(command)?).map_err(failed)?;
        written += 1;
    }
    context.ui.talk(format!("{written} pages are in {}", directory.display()));
    Ok(Exit::Success)
}

fn find<'a>(whole: &'a Command, words: &[String]) -> Result<&'a Command, CliError> {
    words.iter().try_fold(whole, |command, word| {
        command.find_subcommand(word).ok_or_else(|| {
            let message = format!("there is no command {:?}", words.join(" "));
            CliError::new(Exit::Usage, message).hint("keybatch help lists the commands")
        })
    })
}

/// The command and all below it.
fn all(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().filter(|command| !command.is_hide_set());
    std::iter::once(command).chain(below.flat_map(all)).collect()
}

fn render(command: &Command) -> std::io::Result<Vec<u8>> {
    let man =
        Man::new(command.clone()).manual("keybatch manual").source(concat!("keybatch ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(after) = command.get_after_help() {
        // Examples are shown as they stand, which the library would fill.
        writeln!(page, ".SH NOTES\n.nf")?;
        for line in after.to_string().lines() {
            writeln!(page, "{}", plain(line))?;
        }
        writeln!(page, ".fi")?;
    }
    writeln!(page, ".SH SEE ALSO")?;
    let parent = command.get_bin_name().and_then(|name| name.rsplit_once(' ')).map(|(parent, _)| parent);
    match parent {
        Some(parent) => writeln!(page, "{}(1)", plain(&parent.replace(' ', "-")))?,
        None => writeln!(page, "docs/SEMANTICS.md and docs/SETTINGS.md of the source")?,
    }
    Ok(page)
}

/// A line of text as roff takes it literally.
fn plain(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-");
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}
