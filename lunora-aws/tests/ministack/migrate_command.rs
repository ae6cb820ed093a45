//! The command `lunora-state`, as a person runs it.

use std::process::{Command, Output};

use serde_json::Value;

use crate::{
    migrate::{CANARY, Old},
    support::Stack,
};

/// How the command ended, and all that it printed.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    errors: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

/// Runs it over the stack, with nothing else of this environment.
async fn run(stack: &Stack, args: &[&str]) -> Ran {
    let tables = &stack.config.tables;
    let credentials = stack.sdk.credentials_provider().unwrap();
    let credentials =
        aws_credential_types::provider::ProvideCredentials::provide_credentials(&credentials);
    let credentials = credentials.await.unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lunora-state"));
    command
        .env_clear()
        .env("AWS_ENDPOINT_URL", stack.sdk.endpoint_url().unwrap())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", credentials.access_key_id())
        .env("AWS_SECRET_ACCESS_KEY", "not-a-secret")
        .env("DESTINATIONS_TABLE", tables.destinations.as_str())
        .env("PRESETS_TABLE", tables.presets.as_str())
        .env("SESSIONS_TABLE", tables.sessions.as_str())
        .env("SOURCES_TABLE", tables.sources.as_str())
        .env("CONTROL_TABLE", tables.control.as_str())
        .env(
            "PARAMETER_STORE_PREFIX",
            stack.config.parameter_prefix.as_str(),
        )
        .args(args);
    let output = tokio::task::spawn_blocking(move || command.output());
    let ran = ran(output.await.unwrap().unwrap());
    assert!(!format!("{ran:?}").contains(CANARY), "{ran:?}");
    ran
}

fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --all-features --test ministack -- --include-ignored"]
async fn a_person_plans_applies_and_undoes() {
    let old = Old::set_up().await;
    let before = old.dump().await;

    let plan = run(&old.stack, &["plan"]).await;
    // Two rows cannot be read, and one preset has another's id: for a person to look at.
    assert_eq!(plan.code, Some(3), "{plan:?}");
    assert!(
        plan.out.contains("6 destinations would get attributes:"),
        "{plan:?}"
    );
    let line = "  legacy-7: current_active_url, output_type\n";
    assert!(plan.out.contains(line), "{plan:?}");
    assert!(
        plan.out
            .contains("LEFT: destinations legacy-8 cannot be read: "),
        "{plan:?}"
    );
    assert!(
        plan.out.contains("point-in-time recovery is off"),
        "{plan:?}"
    );
    assert_eq!(old.dump().await, before);

    // Nobody is asked here, so nothing is done.
    let unasked = run(&old.stack, &["apply"]).await;
    assert_eq!(unasked.code, Some(2), "{unasked:?}");
    assert!(unasked.errors.contains("--yes"), "{unasked:?}");
    assert_eq!(old.dump().await, before);

    let applied = run(&old.stack, &["apply", "--yes", "--rows-per-second", "1000"]).await;
    assert_eq!(applied.code, Some(3), "{applied:?}");
    assert!(
        applied
            .out
            .contains("backup of destinations: arn:aws:dynamodb:"),
        "{applied:?}"
    );
    assert!(
        applied
            .out
            .contains("untouched in destinations: 9 rows, SHA-256 "),
        "{applied:?}"
    );
    let id = applied.out.split_whitespace().nth(1).unwrap();
    assert!(
        applied.out.contains(&format!("lunora-state undo {id}")),
        "{applied:?}"
    );

    let listed = run(&old.stack, &["list", "--json"]).await;
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert_eq!(listed.json()[0]["id"], id);
    assert_eq!(listed.json()[0]["state"], "applied");

    let undone = run(&old.stack, &["undo", id, "--yes"]).await;
    assert_eq!(undone.code, Some(0), "{undone:?}");
    assert!(
        undone.out.contains(", as before the migration"),
        "{undone:?}"
    );
    assert_eq!(old.dump().await, before);
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --all-features --test ministack -- --include-ignored"]
async fn a_program_reads_one_json_document() {
    let old = Old::set_up().await;

    let checked = run(&old.stack, &["--json", "check"]).await;
    let plan = run(&old.stack, &["plan", "--json"]).await;
    let applied = run(&old.stack, &["apply", "--yes", "--json"]).await;
    let again = run(&old.stack, &["apply", "--yes", "--json"]).await;

    let hash = checked.json()["tables"][0]["tally"]["sha256"].clone();
    assert_eq!(hash.as_str().unwrap().len(), 64);
    assert_eq!(plan.json()["rows"].as_array().unwrap().len(), 6);
    assert_eq!(plan.json()["tables"][0]["tally"]["sha256"], hash);
    assert_eq!(applied.json()["proof"][0]["after"]["sha256"], hash);
    assert!(
        applied.json()["backups"]["presets"].is_string(),
        "{applied:?}"
    );
    assert!(again.json()["id"].is_null(), "{again:?}");
    let wrong = run(
        &old.stack,
        &["undo", "20260301T100000-00000000", "--yes", "--json"],
    )
    .await;
    assert_eq!(wrong.code, Some(1));
    assert!(
        wrong
            .errors
            .contains("there is no record of a migration 20260301T100000-00000000")
    );
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --all-features --test ministack -- --include-ignored"]
async fn a_wrong_call_ends_with_2_and_what_failed_with_1() {
    let stack = Stack::set_up().await;

    for args in [
        &[][..],
        &["--no-such-thing"],
        &["undo"],
        &["undo", "current"],
        &["apply", "--without-backup-says", ""],
        &["apply", "--rows-per-second", "0"],
    ] {
        assert_eq!(run(&stack, args).await.code, Some(2), "{args:?}");
    }
    let tables = stack.config.tables.control.as_str();
    stack
        .dynamodb()
        .delete_table()
        .table_name(tables)
        .send()
        .await
        .unwrap();
    let failed = run(&stack, &["apply", "--yes"]).await;
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(
        failed.errors.contains("pk (S, hash) and sk (S, range)"),
        "{failed:?}"
    );
    let checked = run(&stack, &["check"]).await;
    assert_eq!(checked.code, Some(3), "{checked:?}");
    // Without a place to work it says what to set.
    let lost = Command::new(env!("CARGO_BIN_EXE_lunora-state"))
        .env_clear()
        .arg("plan")
        .output();
    let lost = ran(lost.unwrap());
    assert_eq!(lost.code, Some(2));
    assert!(lost.errors.contains("CONTROL_TABLE is missing"), "{lost:?}");
    let help = run(&stack, &["--help"]).await;
    assert_eq!(help.code, Some(0));
    assert!(help.out.contains("Exit codes: 0"), "{help:?}");
}
