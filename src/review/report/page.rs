//! The page around a report: its template, its style, its script, and the policy that lets nothing else in.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

const TEMPLATE: &str = include_str!("template.html");
const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// What a browser may load and run: this one script and this one style. Nothing leaves the page.
fn policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())));
    format!(
        "default-src 'none'; script-src {}; style-src {}; img-src data:; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
}

/// Writes the template, with what `fill` writes in each place.
///
/// # Errors
/// If `out` does not take it.
pub(super) fn write<W: Write>(out: &mut W, mut fill: impl FnMut(&str, &mut W) -> io::Result<()>) -> io::Result<()> {
    let mut pieces = TEMPLATE.split("{{");
    out.write_all(pieces.next().unwrap_or_default().as_bytes())?;
    for piece in pieces {
        let (place, rest) = piece.split_once("}}").unwrap_or((piece, ""));
        match place {
            "csp" => out.write_all(policy().as_bytes())?,
            "css" => out.write_all(STYLE.as_bytes())?,
            "js" => out.write_all(SCRIPT.as_bytes())?,
            place => fill(place, out)?,
        }
        out.write_all(rest.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_and_the_style_end_nowhere_but_at_their_end_and_name_no_other_place() {
        for text in [SCRIPT, STYLE] {
            assert!(!text.contains("</") && !text.contains("<!--") && !text.contains("{{"), "an element could end");
            for word in ["http:", "https:", "//", "fetch(", "XMLHttp", "import", "eval(", "innerHTML", "insertAdjacent"]
            {
                let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                let found: Vec<_> = lines.filter(|line| line.contains(word) && !line.contains("!important")).collect();
                assert!(found.is_empty(), "{word}: {found:?}");
            }
        }
        assert!(SCRIPT.lines().count() < 600);
    }

    #[test]
    fn each_place_of_the_template_is_filled_once() {
        let mut places = Vec::new();
        write(&mut Vec::new(), |place, _| {
            places.push(place.to_owned());
            Ok(())
        })
        .unwrap();
        let unique: std::collections::BTreeSet<_> = places.iter().collect();
        assert_eq!(unique.len(), places.len(), "{places:?}");
    }
}
