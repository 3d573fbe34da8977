//! A session: one process that begins, continues or gives up a run. Here it is decided whether it may, and recorded how it
//! ended.
//!
//! It never prints, reads the environment or exits. It is given an [`Order`] (what to do), and a [`Host`] (what to work with: the
//! journal's place, the service, the clock). It notifies and asks an [`Operator`], and returns an [`Ending`], or a
//! [`SessionError`] that says what was sent.
//!
//! - `order`, `host`, `place`, `operator`, `error`, `stops`, `summary`: what goes in and comes out
//! - `run`, `run_plan`, `retry`, `resume`, `work_on`, `abandon`, `resolve`, `reconcile`, `archive`, `plan`, `plan_again`, `examine`: what there is to do
//! - `open`, `closer`, `in_journal`, `checkpoints`, `anchoring`, `archived`, `used`, `memory`, `rollback`: the journal and its lock; a journal that lost entries is refused
//! - `stage`, `refuse`, `again`, `selection`: a manifest or rows of an earlier run, and whether they may be run
//! - `begin`, `opened`, `header`, `confirm`: the first entries, the plan, the confirmation
//! - `accounts`: the connection to each account of a run
//! - `admit`, `carry_on`, `probe`, `work_on`: continuing a run that another session began
//! - `ghosts`, `at_work`, `work`: processing the rest of the run
//! - `live`, `controls`, `status`: what other processes may ask of a session at work, what that does, and how far it is
//! - `end`, `sum_up`, `targets`, `canary`: what is recorded and reported at its end

mod abandon;
mod accounts;
mod admit;
pub mod again;
pub mod anchoring;
mod archive;
mod archived;
mod approvals;
mod at_work;
mod begin;
pub mod canary;
mod carry_on;
pub mod checkpoints;
mod closer;
mod confirm;
mod controls;
mod end;
pub mod error;
mod examine;
mod ghosts;
mod header;
mod in_hand;
mod in_journal;
pub mod host;
mod instances;
pub mod live;
mod lost;
mod memory;
mod open;
mod opened;
pub mod operator;
pub mod order;
mod place;
mod policy;
mod plan;
mod plan_again;
mod probe;
mod reconcile;
mod refusal;
mod refuse;
mod resolve;
mod resume;
mod retry;
pub mod rollback;
mod run;
mod run_plan;
mod selection;
pub mod signing;
mod stage;
pub mod status;
mod stops;
mod sum_up;
pub mod summary;
mod targets;
mod unresolvable;
mod used;
mod work;
mod work_on;

pub use abandon::abandon;
pub use archive::{Archived, archive};
pub use archived::archives;
pub use end::Ending;
pub use error::{Outside, Refusal, Sent, SessionError};
pub use examine::{AtService, Examined, MOST_REQUESTS, SAMPLE, TargetExamined, Trial, examine};
pub use host::Host;
pub use instances::{TargetInstances, instances};
pub use operator::{Confirmed, Moment, Notice, Operator, PlanFacts, Watched};
pub use order::Order;
pub use place::{Connection, Goal, Place, Reached, Way};
pub use plan::{PlanEnding, Planned, plan};
pub use plan_again::plan_again;
pub use policy::Policy;
pub use reconcile::{Progress, Proven, ReconcileOrder, Recorded, reconcile};
pub use resolve::{ResolveOrder, Resolved, resolve};
pub use resume::resume;
pub use retry::retry;
pub use run::run;
pub use run_plan::{PlanInput, run_plan};
pub use selection::{RetryOf, Selection};
pub use stage::Input;
pub use stops::Stops;
pub use unresolvable::Unresolvable;
pub use used::refuse_used;
pub use work_on::work_on;
