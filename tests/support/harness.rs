//! The harness of the crates with tests that cannot run everywhere. Whether something that a test needs from outside (a program, the
//! right to trace or to mount) is missing shows only while it runs, and libtest then knows only *passed* and *failed*. This harness
//! counts such a test as ignored, with the reason.
//!
//! These crates have no `#[test]`: each module lists its tests with [`tests!`], and the compiler warns of one that is not
//! listed, because nothing uses it.

use std::panic::{catch_unwind, resume_unwind};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Trial};

/// A function without arguments that panics if it fails.
#[derive(Clone, Copy)]
pub(crate) struct Test {
    module: &'static str,
    name: &'static str,
    run: fn(),
}

impl Test {
    pub(crate) const fn new(module: &'static str, name: &'static str, run: fn()) -> Self {
        Self { module, name, run }
    }

    fn trial(self) -> Trial {
        // Like libtest, without the crate's own name.
        let module = self.module.split_once("::").map_or("", |(_, module)| module);
        let name = format!("{module}::{}", self.name);
        Trial::ignorable_test(name, move || match catch_unwind(self.run) {
            Ok(()) => Ok(Completion::Completed),
            Err(end) => match end.downcast::<Ignored>() {
                Ok(ignored) => Ok(Completion::ignored_with(ignored.0)),
                Err(panic) => resume_unwind(panic),
            },
        })
    }
}

/// How a test ends that cannot run here.
struct Ignored(String);

/// Ends the test that calls it as ignored. Only on the test's own thread: another one fails it.
pub(crate) fn ignore(why: impl Into<String>) -> ! {
    // Not a panic: nothing is printed, and nothing is wrong.
    resume_unwind(Box::new(Ignored(why.into())))
}

/// Runs an asynchronous test.
pub(crate) fn wait_for(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(test);
}

/// Lists a module's tests as `LIST`: `tests![one, another; async one_that_waits]`.
macro_rules! tests {
    ($($name:ident),* $(,)? $(; async $($waits:ident),+ $(,)?)?) => {
        pub(crate) const LIST: &[crate::harness::Test] = &[
            $(crate::harness::Test::new(module_path!(), stringify!($name), $name),)*
            $($(crate::harness::Test::new(module_path!(), stringify!($waits), || crate::harness::wait_for($waits())),)+)?
        ];
    };
}
pub(crate) use tests;

/// Runs the tests of these modules as the command line says, which is libtest's.
pub(crate) fn run(modules: &[&[Test]]) -> ExitCode {
    let trials = modules.iter().flat_map(|tests| tests.iter()).map(|test| test.trial()).collect();
    let mut arguments = Arguments::from_args();
    // Like RUST_TEST_THREADS in `.cargo/config.toml`: most of these tests wait.
    let fewest = std::thread::available_parallelism().map_or(4, |cores| cores.get().max(4));
    arguments.test_threads.get_or_insert(fewest);
    libtest_mimic::run(&arguments, trials).exit_code()
}
