//! Goal: every store keeps the promises that the protocol stands on, and says clearly why it can't when it can't.
//! Method: one suite (`suite.rs`) runs against a folder and against a real server of each cloud's language (versitygw,
//! fake-gcs-server, Azurite, OpenStack Swift); a proxy (`proxy.rs`) in front of those loses answers, invents conflicts and lies
//! (`faults.rs`); `refusals.rs` has what is wrong before an answer, `encryption.rs` an S3 server that
//! really encrypts.

#[path = "../harness/mod.rs"]
mod harness;

mod encryption;
mod faults;
mod proxy;
mod refusals;
mod servers;
mod suite;
mod swift;

/// Runs one case of the suite in a folder of its own, and on each cloud below a prefix of its own.
macro_rules! conformance {
    (exclusive: $($only:ident),*; all: $($case:ident),* $(,)?) => {
        conformance!($($only,)* $($case),*);
        // it has several winners, so nothing may be arbitrated there: `swift.rs`
        mod on_swift {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::suite::$case(super::servers::open(&super::servers::swift(stringify!($case)))).await;
            })*
        }
    };
    ($($case:ident),* $(,)?) => {
        mod file {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let folder = tempfile::TempDir::new().expect("a temporary folder");
                super::suite::$case(super::servers::open(&super::servers::file(&folder))).await;
            })*
        }
        conformance!(s3: $($case),*);
        conformance!(gcs: $($case),*);
        conformance!(azure: $($case),*);
    };
    ($cloud:ident: $($case:ident),*) => {
        mod $cloud {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::suite::$case(super::servers::open(&super::servers::$cloud(stringify!($case)))).await;
            })*
        }
    };
}

conformance!(
    exclusive: a_free_key_has_exactly_one_winner, the_probe_passes_and_leaves_nothing;
    all:
    what_was_created_is_read_back_at_once,
    what_is_not_there_is_none,
    keys_keep_every_byte,
    unfit_keys_are_refused,
    an_empty_object_is_an_object,
    a_big_file_goes_in_and_comes_out,
    listings_are_sorted_and_start_behind_a_key,
    listings_go_over_pages,
    folders_are_the_next_segments,
    deleting_is_possible_and_repeatable,
);
