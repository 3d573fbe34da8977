//! The program's own log, on standard error, for debugging. It is off unless `KEYBATCH_LOG` asks for it.
//!
//! Only keybatch's own events pass, whatever the filter says: the SDK's own traces hold signatures and session
//! tokens, and no secret may reach a log.

use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::environment::Environment;

/// Begins to log as `KEYBATCH_LOG` says (`debug`, `keybatch::execute=trace`, …); with `KEYBATCH_LOG_FORMAT=json`, each line is one
/// JSON object.
pub(super) fn init(environment: &Environment) {
    let Some(wanted) = environment.variable("KEYBATCH_LOG") else { return };
    let own = filter_fn(|metadata| metadata.target().starts_with("keybatch"));
    let filter = EnvFilter::new(wanted).and(own);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let registry = tracing_subscriber::registry();
    // A second initialisation in one process changes nothing.
    let _ = if environment.variable("KEYBATCH_LOG_FORMAT") == Some("json") {
        registry.with(layer.json().with_filter(filter)).try_init()
    } else {
        registry.with(layer.with_filter(filter)).try_init()
    };
}
