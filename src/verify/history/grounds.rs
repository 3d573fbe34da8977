//! What an outcome rests on.

use super::trouble::Trouble;

/// What an outcome rests on are earlier entries of the row, or listings of its run: those that `is_known` knows, and among
/// them those that are `needed`.
pub(super) fn rests(
    rests_on: &[u64],
    needed: [Option<u64>; 2],
    is_known: impl Fn(&u64) -> bool,
) -> Result<(), Trouble> {
    if let Some(seq) = needed.into_iter().flatten().find(|seq| !rests_on.contains(seq)) {
        return Err(Trouble::Illegal(format!("it does not rest on entry {seq}, without which there is no outcome")));
    }
    if let Some(seq) = rests_on.iter().find(|seq| !is_known(seq)) {
        return Err(Trouble::Illegal(format!("it rests on entry {seq}, which is no earlier entry of its row")));
    }
    if !rests_on.is_sorted_by(|one, next| one < next) {
        return Err("the entries that it rests on are not ascending".into());
    }
    Ok(())
}
