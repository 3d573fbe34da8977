//! What happens to two rows together: their session ends and another begins, or their target begins to refuse everyone.

use keybatch::domain::Class;
use keybatch::execute::control::Control;

use super::duo::{Duo, Phase, at};
use super::duo_moves::{Fate, befall, fates};

/// The scope's target refuses everyone from now on.
pub(crate) fn refuses(duo: &Duo) -> Option<Duo> {
    let refused = duo.scope.refused.filter(|_| !duo.refusing)?;
    let mut next = duo.clone().said(|| format!("target {refused} refuses everyone"));
    next.refusing = true;
    let rows = next.rows.iter_mut().zip(duo.scope.targets).filter(|(_, target)| *target == refused);
    rows.for_each(|(row, _)| row.served = row.phase != Phase::Waiting);
    Some(next)
}

/// The session dies at this moment, or is over without being finished; another takes the run up.
pub(crate) fn session_ends(duo: &Duo, control: &Control) -> Vec<Duo> {
    let over = duo.rows.iter().all(|row| row.phase == Phase::Left);
    if over {
        for row in 0..2 {
            let explained = duo.rows[row].state.settled.is_some() || control.is_stopping(duo.scope.targets[row]);
            duo.must(explained, "a row is left, and no reason to stop is given");
        }
    }
    if duo.is_over() || duo.sessions >= duo.scope.sessions {
        return Vec::new();
    }
    let mut next = vec![duo.clone().said(|| if over { "resumed".into() } else { "the session dies".into() })];
    for row in 0..2 {
        if duo.rows[row].phase == Phase::InFlight {
            // Whatever the request does, its answer is lost.
            let pair = duo.rows[row].truth.pair;
            let mut lost: Vec<_> = fates(duo.scope.every_answer, pair);
            lost.retain(|(class, _)| *class == Class::Unanswered);
            let fate = |(before, (_, fate)): (&Duo, &(Class, Fate))| {
                let mut after = before.clone().said(|| format!("row {row}: {fate:?}"));
                befall(&mut after, row, *fate);
                after
            };
            next = next.iter().flat_map(|before| lost.iter().map(move |one| (before, one))).map(fate).collect();
        }
    }
    next.into_iter().map(reopened).collect()
}

fn reopened(mut duo: Duo) -> Duo {
    duo.sessions += 1;
    duo.told.clear();
    for (row, now) in duo.rows.iter_mut().zip(duo.now).filter(|(row, _)| row.state.settled.is_none()) {
        row.state.reopen(at(now));
        (row.phase, row.place, row.asked) = (Phase::Waiting, false, false);
    }
    duo
}
