//! What can become of a request, and how likely it is in this life. Each is drawn when the request leaves, so that a
//! session's death changes nothing for a request that is on its way.

use fastrand::Rng;

use super::time::{MS, SECOND, Us};

/// What becomes of a delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is executed, and its answer comes in time.
    Plain,
    /// The connection is never made.
    NoConnection,
    /// It is lost on its way; no answer.
    Lost,
    /// It arrives at any time before it must be dead, and is executed; no answer.
    Silent,
    /// Refused before execution: going too fast, or the account is being set up.
    Throttled,
    Setup,
    /// Status 500, before or after it was executed.
    Error {
        effect: bool,
    },
    /// The connection is cut, before or after it was executed.
    Cut {
        effect: bool,
    },
    /// Status 500 at once, executed a little later.
    Late,
    /// A success without an operation, executed or not.
    Empty {
        effect: bool,
    },
    /// A success that speaks of something else, executed.
    Garbled,
    /// An operation that is not terminal.
    Pending(End),
    /// The same, and the answer that names it is lost.
    PendingUnknown(End),
    /// An operation that failed; sometimes the key pair is gone all the same.
    FailedOperation {
        effect: bool,
    },
}

/// How an operation that is not terminal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Succeeds after a while; the key pair is gone at once or only then.
    Succeeds { after: Us, at_once: bool },
    /// Fails after a while, without effect.
    Fails { after: Us },
    /// Never ends; executed or not.
    Never { effect: bool },
}

/// What becomes of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadFate {
    Plain,
    NoConnection,
    Timeout,
    Throttled,
    Error,
    Cut,
    /// An answer about something else.
    Garbled,
}

/// How a life goes wrong: in thousandths.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    pub(crate) delete: u32,
    pub(crate) read: u32,
    /// Somebody else acts on a key pair just when we do.
    pub(crate) race: u32,
    /// A delete begins a while without credentials, or of refusing everybody, or of denied reading.
    pub(crate) outage: u32,
    /// A commit fails or the session dies in it.
    pub(crate) commit: u32,
    /// A commit takes seconds.
    pub(crate) slow: u32,
    /// The session dies at some moment.
    pub(crate) death: u32,
    /// This machine's clock is set between two sessions.
    pub(crate) jump: u32,
    /// Somebody else acts on a key pair at some moment.
    pub(crate) foreign: u32,
}

impl Faults {
    /// One life in ten is quiet: then every outcome is known beforehand.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let mut level = |levels: &[u32]| levels[rng.usize(..levels.len())];
        if level(&[0, 1, 1, 1, 1, 1, 1, 1, 1, 1]) == 0 {
            return Self::default();
        }
        Self {
            delete: level(&[0, 100, 400, 800]),
            read: level(&[0, 0, 100, 500]),
            race: level(&[0, 0, 50, 300]),
            outage: level(&[0, 0, 20, 100]),
            commit: level(&[0, 10, 40, 100]),
            slow: level(&[0, 0, 30, 150]),
            death: level(&[0, 200, 600]),
            jump: level(&[0, 0, 400]),
            foreign: level(&[0, 0, 200, 600]),
        }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        [self.delete, self.read, self.race, self.outage, self.commit, self.slow, self.death, self.jump, self.foreign]
            .iter()
            .all(|level| *level == 0)
    }

    /// The trouble is over, so that the batch can end. What others do goes on.
    pub(crate) fn calm(&mut self) {
        *self = Self { race: self.race / 4, foreign: self.foreign, ..Self::default() };
    }
}

/// Whether something of this likelihood happens.
pub(crate) fn happens(rng: &mut Rng, thousandths: u32) -> bool {
    thousandths > 0 && rng.u32(0..1_000) < thousandths
}

impl Fate {
    pub(crate) fn draw(rng: &mut Rng, faults: &Faults) -> Self {
        if !happens(rng, faults.delete) {
            return Self::Plain;
        }
        let effect = rng.bool();
        match rng.u32(0..26) {
            0 => Self::NoConnection,
            1 | 2 => Self::Lost,
            3 | 4 => Self::Silent,
            5..=7 => Self::Throttled,
            8 => Self::Setup,
            9..=11 => Self::Error { effect },
            12..=14 => Self::Cut { effect },
            15 | 16 => Self::Late,
            17 => Self::Empty { effect },
            18 => Self::Garbled,
            19..=21 => Self::Pending(End::draw(rng)),
            22 | 23 => Self::PendingUnknown(End::draw(rng)),
            _ => Self::FailedOperation { effect: rng.u32(0..4) == 0 },
        }
    }

    /// Whether it comes to an answer of the service.
    pub(crate) fn is_answered(self) -> bool {
        !matches!(self, Self::NoConnection | Self::Lost | Self::Silent | Self::Cut { .. } | Self::PendingUnknown(_))
    }
}

impl End {
    fn draw(rng: &mut Rng) -> Self {
        let after = while_(rng);
        match rng.u32(0..6) {
            0..=2 => Self::Succeeds { after, at_once: rng.bool() },
            3 => Self::Fails { after },
            _ => Self::Never { effect: rng.bool() },
        }
    }
}

impl ReadFate {
    pub(crate) fn draw(rng: &mut Rng, faults: &Faults) -> Self {
        if !happens(rng, faults.read) {
            return Self::Plain;
        }
        match rng.u32(0..6) {
            0 => Self::NoConnection,
            1 => Self::Timeout,
            2 => Self::Throttled,
            3 => Self::Error,
            4 => Self::Cut,
            _ => Self::Garbled,
        }
    }
}

/// From ten milliseconds to ten minutes, each order of magnitude as likely as the next.
pub(crate) fn while_(rng: &mut Rng) -> Us {
    let scale = [10 * MS, 100 * MS, SECOND, 10 * SECOND, 60 * SECOND][rng.usize(..5)];
    rng.i64(scale..scale * 10)
}

/// How long one leg of a request's way takes.
pub(crate) fn leg(rng: &mut Rng) -> Us {
    if rng.u32(0..20) == 0 { rng.i64(100 * MS..2 * SECOND) } else { rng.i64(MS..60 * MS) }
}
