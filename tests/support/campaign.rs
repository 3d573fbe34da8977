//! How far the campaigns of `docs/RELIABILITY.md` go. Plain `cargo test` samples them; with `KEYBATCH_CAMPAIGNS=whole`, as the
//! gate sets it, they go as far as that document says. Variables of single campaigns count before both.

/// What a campaign is to do: at a desk, and in the gate.
pub(crate) fn size<T>(desk: T, whole: T) -> T {
    if is_whole() { whole } else { desk }
}

/// Whether the campaigns are to go all the way.
pub(crate) fn is_whole() -> bool {
    #[expect(clippy::disallowed_methods, reason = "how far to go is for the caller to say")]
    let asked = std::env::var("KEYBATCH_CAMPAIGNS").unwrap_or_default();
    assert!(matches!(asked.as_str(), "" | "whole"), "KEYBATCH_CAMPAIGNS is `whole` or not set, not {asked}");
    asked == "whole"
}
