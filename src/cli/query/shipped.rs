//! The shipped questions and the views, and what is given for a question's parameters.

use clap::builder::PossibleValue;

use super::super::moment::moment;
use super::super::ui::Ui;
use super::super::{CliError, Code, Context, Exit, Format};
use crate::domain::{Clock as _, SystemClock, time_text};
use crate::journal::Cell;
use crate::review::questions::{
    BoundStatement, Parameter, ParameterError, ParameterKind, Question, bound, question, questions,
};
use crate::review::runs::{LATEST, resolve};
use crate::review::views;

/// A name that is this similar to a parameter's is taken for a typing error.
const SIMILAR: f64 = 0.7;

/// The names of the views, for the command line.
pub(super) fn view_names() -> Vec<PossibleValue> {
    views().into_iter().map(|view| PossibleValue::new(view.name)).collect()
}

/// The question of this name.
pub(super) fn named(name: &str) -> Result<Question, CliError> {
    // The command line lets no other name pass.
    question(name).ok_or_else(|| CliError::new(Exit::Usage, format!("there is no question {name:?}")))
}

/// Lists all questions.
pub(super) fn list(ui: &Ui) -> Result<Exit, CliError> {
    if ui.format == Format::Table {
        let questions = questions();
        ui.data(&questions.iter().map(for_people).collect::<String>())?;
        // Each has it, and it means the same in each.
        let rehearsals = questions.iter().flat_map(|question| &question.parameters).find(|one| is_of_all(one));
        if let Some(Parameter { name, about, .. }) = rehearsals {
            ui.data(&format!("every question\n    --param {name}=VALUE, optional: {about}\n"))?;
        }
        return Ok(Exit::Success);
    }
    let mut stream = ui.stream(&["name", "title", "about", "parameters", "optional", "sql"])?;
    for question in questions() {
        let names = |required: bool| {
            let names = question.parameters.iter().filter(|one| one.required == required).map(|one| one.name);
            names.collect::<Vec<_>>().join(" ")
        };
        let cells = [question.name, question.title, question.about, &names(true), &names(false), question.sql];
        stream.row(&cells.map(|text| Cell::Text(text.to_owned())))?;
    }
    stream.end()?;
    Ok(Exit::Success)
}

fn for_people(question: &Question) -> String {
    let mut text = format!("{}\n  {}. {}\n", question.name, question.title, question.about);
    for Parameter { name, required, about, .. } in question.parameters.iter().filter(|one| !is_of_all(one)) {
        let optional = if *required { "" } else { ", optional" };
        text += &format!("    --param {name}=VALUE{optional}: {about}\n");
    }
    text
}

fn is_of_all(parameter: &Parameter) -> bool {
    parameter.kind == ParameterKind::Rehearsals
}

/// Shows the views with their columns, or those of one view.
pub(super) fn schema(ui: &Ui, wanted: Option<&str>) -> Result<Exit, CliError> {
    let views = views().into_iter().filter(|view| wanted.is_none_or(|wanted| view.name == wanted));
    if ui.format == Format::Table {
        for view in views {
            let longest = view.columns.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
            let lines = view.columns.iter().map(|(name, about)| format!("  {name:<longest$}  {about}\n"));
            ui.data(&format!("{}: {}\n{}", view.name, view.about, lines.collect::<String>()))?;
        }
        return Ok(Exit::Success);
    }
    let mut stream = ui.stream(&["view", "column", "meaning"])?;
    for view in views {
        for (column, meaning) in view.columns {
            stream.row(&[view.name, column, meaning].map(|text| Cell::Text(text.to_owned())))?;
        }
    }
    stream.end()?;
    Ok(Exit::Success)
}

/// What is given for the parameters of a question, in the form in which the journal has it.
pub(super) async fn given(
    question: &Question,
    typed: &[(String, String)],
    context: &Context,
) -> Result<Vec<(String, String)>, CliError> {
    let mut given = Vec::with_capacity(typed.len());
    for (name, text) in typed {
        let kind = question.parameters.iter().find(|known| known.name == name).map(|known| known.kind);
        let value = match kind {
            _ if text.is_empty() => String::new(),
            Some(ParameterKind::Time) => {
                let at = moment(text).map_err(|why| wrong(name, &why))?;
                time_text(at.at(SystemClock::start().now()))
            }
            Some(ParameterKind::Run) if text == LATEST && context.many.is_some() => {
                return Err(wrong(name, "each of several journals has a latest run: name the run by its id"));
            }
            Some(ParameterKind::Run) if text == LATEST => {
                resolve(&context.any_reader().await?, text).await?.run.to_string()
            }
            Some(ParameterKind::Rehearsals) if !["yes", "no", "only"].contains(&text.as_str()) => {
                return Err(wrong(name, &format!("{text:?} is neither yes, no nor only")));
            }
            _ => text.clone(),
        };
        given.push((name.clone(), value));
    }
    Ok(given)
}

fn wrong(name: &str, why: &str) -> CliError {
    CliError::new(Exit::Usage, format!("the parameter {name}: {why}")).code(Code::QueryParameter)
}

/// One of the question's two statements with these values.
pub(super) fn bind(question: &Question, sql: &str, given: &[(String, String)]) -> Result<BoundStatement, CliError> {
    let optional: Vec<_> = question.parameters.iter().filter(|one| !one.required).map(|one| one.name).collect();
    bound(sql, given, &optional).map_err(|error| refused(&error, Some(question)))
}

/// The error for values that do not fit.
pub(super) fn refused(error: &ParameterError, question: Option<&Question>) -> CliError {
    let told = CliError::from_error(Exit::Usage, error).code(Code::QueryParameter);
    let about = |name: &str| {
        let parameters = question.iter().flat_map(|question| &question.parameters);
        parameters.filter(|one| one.name == name).map(|one| format!(": {}", one.about)).collect::<String>()
    };
    match error {
        ParameterError::Statement(error) => error.clone().into(),
        ParameterError::Missing { names } => {
            names.iter().fold(told, |told, name| told.hint(format!("give it with --param {name}=VALUE{}", about(name))))
        }
        ParameterError::Unknown { name, known } => {
            let near = known.iter().map(|one| (strsim::jaro(one, name), one)).max_by(|a, b| a.0.total_cmp(&b.0));
            let told = match near.filter(|(similarity, _)| *similarity >= SIMILAR) {
                Some((_, near)) => told.hint(format!("did you mean {near}?")),
                None => told,
            };
            if known.is_empty() {
                told.hint("it has no parameters")
            } else {
                told.hint(format!("its parameters are {}", known.join(", ")))
            }
        }
        ParameterError::Twice { .. } => told,
    }
}
