//! The stores of journals: what each must do, and what is PostgreSQL's own. Where there is no PostgreSQL, its tests are ignored.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

#[path = "../support/campaign.rs"]
mod campaign;
mod conformance;
mod copying;
#[path = "../support/harness.rs"]
mod harness;
mod postgres;
#[path = "../support/mod.rs"]
mod support;
#[path = "../library/story.rs"]
#[expect(dead_code, reason = "the tests of the library use the rest of it")]
mod story;

fn main() -> std::process::ExitCode {
    let code = harness::run(&[
        conformance::sqlite::LIST,
        conformance::in_memory::LIST,
        conformance::postgres::LIST,
        conformance::memory::tables::LIST,
        copying::LIST,
        postgres::claiming::LIST,
        postgres::connecting::LIST,
        postgres::cutting::LIST,
        postgres::failing_over::LIST,
        postgres::fencing::LIST,
        postgres::guarding::LIST,
        postgres::holding::LIST,
        postgres::pacing::LIST,
        postgres::pooling::LIST,
        postgres::program::addresses::LIST,
        postgres::program::chaos::LIST,
        postgres::program::controlling::LIST,
        postgres::program::promoting::LIST,
        postgres::program::ending::LIST,
        postgres::program::reading::LIST,
        postgres::program::sharing::LIST,
        postgres::program::working::LIST,
        postgres::objects::LIST,
        postgres::projections::LIST,
        postgres::reading::LIST,
        postgres::securing::LIST,
        postgres::sharing::LIST,
        postgres::writing::LIST,
    ]);
    postgres::server::stop();
    code
}
