//! The pictures of the documents: they are there, they need nothing from elsewhere, and the program that makes them is named.

use std::path::Path;

use super::{read, repository};

fn each_picture_is_shown_and_can_be_made_again() {
    let readme = read("README.md");
    let maker = read("docs/pictures/make.py");
    let mut count = 0;
    for item in std::fs::read_dir(repository("docs/pictures")).unwrap() {
        let path = item.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|ending| ending != "svg") {
            continue;
        }
        count += 1;
        assert!(readme.contains(&format!("(docs/pictures/{name})")), "README.md does not show {name}");
        assert!(maker.contains(&name), "docs/pictures/make.py does not make {name}");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.len() < 100_000, "{name} is too large: {}", text.len());
        assert!(text.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{name}");
        for foreign in ["href", "url(", "<script", "<image", "<foreignObject", "@import"] {
            assert!(!text.contains(foreign), "{name} has {foreign}");
        }
        // It must be readable on a light and on a dark page, and to those who do not see it.
        assert!(text.contains("<rect") && text.contains("<title>"), "{name}");
    }
    assert!(count > 0);
    assert!(read("CONTRIBUTING.md").contains("docs/pictures/make.py"));
}

/// What the picture shows is what the program says.
fn the_run_in_the_picture_is_a_rehearsal_that_ended() {
    let text = read("docs/pictures/run.svg");
    let shown: String = text.split('>').filter_map(|piece| piece.split('<').next()).collect();
    let shown = shown.replace('\u{a0}', " ");
    for said in ["SANDBOX", "12 rows", "12 deleted", "checkpoint"] {
        assert!(shown.contains(said), "{said} is not in the picture: make it again with docs/pictures/make.py");
    }
    assert!(Path::new(&repository("samples/deletions.csv")).exists());
}

crate::harness::tests![each_picture_is_shown_and_can_be_made_again, the_run_in_the_picture_is_a_rehearsal_that_ended];
