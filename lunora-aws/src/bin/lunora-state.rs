//! Migrates the tables of a running system, undoes it, and tells what is there.
//!
//! It prints ids, names of attributes, counts and hashes; never what a row says.

use std::{
    error::Error,
    fmt::{self, Write as _},
    io::{self, BufRead, IsTerminal, Write},
    num::NonZeroU32,
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;
use lunora_aws::{
    AwsConfig, ConfigError,
    migrate::{
        BackupPolicy, Because, Drift, MigrateError, MigrationEntry, MigrationId, MigrationPlan,
        MigrationReport, Migrator, Pace, Phase, Progress, Recovery, Responsible, RowChange,
        TableState, UndoReport, UnreadableRow,
    },
    sdk_config,
};
use lunora_core::port::{Clock, IdSource};
use serde::Serialize;

/// Makes explicit what the rows of a running system imply, and undoes it.
#[derive(Debug, Parser)]
#[command(name = "lunora-state", version)]
#[command(after_help = "\
Where the tables are is read from the environment: DESTINATIONS_TABLE, PRESETS_TABLE,
SESSIONS_TABLE, SOURCES_TABLE and CONTROL_TABLE. Credentials, region and endpoint are found as by
every tool of AWS. Other names of Lunora are not used here, but must be valid where they are set;
PARAMETER_STORE_PREFIX has to be.

Exit codes: 0 all is well; 1 it failed, and running it again goes on where it stopped; 2 it was
called wrongly, the environment does not say where to work, or nobody agreed; 3 it is done, and
something is left for a person to look at, which may be that others wrote meanwhile.

No value of a row is ever printed: only ids, names of attributes, counts, and a hash for a whole
table. docs/migrate.md says what each step changes and how it is undone.")]
struct Cli {
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell what `apply` would change; writes nothing
    Plan,
    /// Back up what is going to be changed, then add what is missing; goes on where it stopped
    Apply(ApplyArgs),
    /// Remove exactly what a migration added, where it still is as it was added
    Undo(UndoArgs),
    /// Show all migrations that there were
    List,
    /// Look at every table and row, count and hash them; writes nothing
    Check,
}

#[derive(Debug, Args)]
struct ApplyArgs {
    /// Do not ask whether to go on
    #[arg(long)]
    yes: bool,
    /// Go on without a backup; NAME is recorded as the person who answers for that
    #[arg(long, value_name = "NAME")]
    without_backup_says: Option<Responsible>,
    #[command(flatten)]
    pace: PaceArgs,
}

#[derive(Debug, Args)]
struct UndoArgs {
    /// What `apply` and `list` call the migration
    id: MigrationId,
    /// Do not ask whether to go on
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    pace: PaceArgs,
}

#[derive(Debug, Args)]
struct PaceArgs {
    /// The most rows that are changed in a second
    #[arg(long, value_name = "N", default_value = "25")]
    rows_per_second: NonZeroU32,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Well,
    Refused,
    Left,
}

impl Ending {
    const fn of(leaves_something: bool) -> Self {
        if leaves_something {
            Self::Left
        } else {
            Self::Well
        }
    }

    fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Well => 0,
            Self::Refused => 2,
            Self::Left => 3,
        })
    }
}

fn main() -> ExitCode {
    // A wrong call ends here, with 2.
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(ending) => ending.code(),
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "error: {}", why(&*error));
            // An environment that does not say where to work is a wrong call.
            if error.is::<ConfigError>() {
                Ending::Refused.code()
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

type Outcome = Result<Ending, Box<dyn Error>>;

async fn run(cli: Cli) -> Outcome {
    let config = AwsConfig::from_env()?;
    let client = aws_sdk_dynamodb::Client::new(&sdk_config().await);
    let migrator = |pace: Option<&PaceArgs>| {
        let mut wanted = Pace::default();
        if let Some(pace) = pace {
            wanted.rows_per_second = pace.rows_per_second;
        }
        let clock = Arc::new(SystemClock);
        Migrator::new(client.clone(), &config, clock, Arc::new(RandomIds)).at_pace(wanted)
    };
    let json = cli.json;
    match cli.command {
        Command::Plan => {
            let plan = migrator(None).plan(&mut show_progress()).await?;
            let ending = Ending::of(plan.leaves_something());
            show(json, &plan, plan_text)?;
            Ok(ending)
        }
        Command::Check => {
            let plan = migrator(None).plan(&mut show_progress()).await?;
            let ending = Ending::of(plan.leaves_something());
            let check = Check::of(plan);
            show(json, &check, check_text)?;
            Ok(ending)
        }
        Command::List => {
            let all = migrator(None).list().await?;
            show(json, &all, |all| list_text(all))?;
            Ok(Ending::Well)
        }
        Command::Apply(args) => apply(&migrator(Some(&args.pace)), &args, json).await,
        Command::Undo(args) => undo(&migrator(Some(&args.pace)), &args, json).await,
    }
}

async fn apply(migrator: &Migrator, args: &ApplyArgs, json: bool) -> Outcome {
    if !args.yes {
        let plan = migrator.plan(&mut show_progress()).await?;
        if !plan.problems.is_empty() {
            return Err(MigrateError::NotReady(plan.problems).into());
        }
        if plan.has_work() {
            tell(&plan_text(&plan));
            if !is_agreed("Change this?") {
                return Ok(Ending::Refused);
            }
        }
    }
    let policy = match &args.without_backup_says {
        None => BackupPolicy::Required,
        Some(responsible) => BackupPolicy::Skip {
            responsible: responsible.clone(),
        },
    };
    let report = migrator.apply(&policy, &mut show_progress()).await?;
    show(json, &report, report_text)?;
    Ok(Ending::of(report.leaves_something()))
}

async fn undo(migrator: &Migrator, args: &UndoArgs, json: bool) -> Outcome {
    let question = format!("Remove what migration {} added?", args.id);
    if !args.yes && !is_agreed(&question) {
        return Ok(Ending::Refused);
    }
    let report = migrator.undo(&args.id, &mut show_progress()).await?;
    show(json, &report, undo_text)?;
    Ok(Ending::of(report.leaves_something()))
}

/// What `check` shows of a plan.
#[derive(Debug, Serialize)]
struct Check {
    problems: Vec<lunora_aws::migrate::TableProblem>,
    tables: Vec<TableState>,
    unreadable: Vec<UnreadableRow>,
}

impl Check {
    fn of(plan: MigrationPlan) -> Self {
        Self {
            problems: plan.problems,
            tables: plan.tables,
            unreadable: plan.unreadable,
        }
    }
}

/// How many lines of a kind a person is shown.
const LINES_MAX: usize = 20;

fn plan_text(plan: &MigrationPlan) -> String {
    let mut text = Text::default();
    text.lines(&plan.problems, |problem| format!("PROBLEM: {problem}"));
    text.tables(&plan.tables);
    if let Some(unfinished) = &plan.unfinished {
        let id = &unfinished.id;
        text.line(format_args!(
            "migration {id} is not finished; apply goes on with it"
        ));
    }
    text.line(format_args!(
        "{} destinations would get attributes:",
        plan.rows.len()
    ));
    text.lines(&plan.rows, row_line);
    text.line(format_args!(
        "{} presets would be added:",
        plan.presets.len()
    ));
    text.lines(&plan.presets, |id| format!("  {}", printable(id)));
    text.left_alone(&plan.presets_taken, &plan.unreadable);
    if !plan.has_work() && plan.problems.is_empty() {
        text.line("nothing to do");
    }
    text.0
}

fn check_text(check: &Check) -> String {
    let mut text = Text::default();
    text.lines(&check.problems, |problem| format!("PROBLEM: {problem}"));
    text.tables(&check.tables);
    text.left_alone(&[], &check.unreadable);
    text.0
}

fn report_text(report: &MigrationReport) -> String {
    let mut text = Text::default();
    let Some(id) = &report.id else {
        text.line("nothing to do");
        text.left_alone(&report.presets_taken, &report.unreadable);
        return text.0;
    };
    let how = if report.resumed { "finished" } else { "done" };
    text.line(format_args!(
        "migration {id} is {how}; to undo it: lunora-state undo {id}"
    ));
    for (kind, arn) in &report.backups {
        text.line(format_args!("backup of {kind}: {arn}"));
    }
    if let Some(name) = &report.without_backup_says {
        text.line(format_args!(
            "there may be no backup; {} answers for that",
            printable(name)
        ));
    }
    text.line(format_args!(
        "{} destinations got attributes:",
        report.rows.len()
    ));
    text.lines(&report.rows, row_line);
    text.line(format_args!("{} presets were added:", report.presets.len()));
    text.lines(&report.presets, |id| format!("  {}", printable(id)));
    for proof in &report.proof {
        let (table, before, after) = (proof.table, proof.before, proof.after);
        if proof.holds() {
            let (rows, hash) = (before.rows, before.sha256);
            text.line(format_args!(
                "untouched in {table}: {rows} rows, SHA-256 {hash}"
            ));
        } else {
            text.line(format_args!("others wrote to {table} meanwhile:"));
            text.line(format_args!(
                "  before: {} rows, SHA-256 {}",
                before.rows, before.sha256
            ));
            text.line(format_args!(
                "  after:  {} rows, SHA-256 {}",
                after.rows, after.sha256
            ));
            text.drift(&proof.by_others);
        }
    }
    text.left_alone(&report.presets_taken, &report.unreadable);
    text.0
}

fn undo_text(report: &UndoReport) -> String {
    let mut text = Text::default();
    let id = &report.id;
    if report.was_undone {
        text.line(format_args!(
            "migration {id} was undone before; this looked for what came late"
        ));
    } else {
        text.line(format_args!("migration {id} is undone"));
    }
    if !(report.was_undone && report.rows.is_empty() && report.presets.is_empty()) {
        text.line(format_args!(
            "{} destinations lost attributes again:",
            report.rows.len()
        ));
        text.lines(&report.rows, row_line);
        text.line(format_args!(
            "{} presets were removed again:",
            report.presets.len()
        ));
        text.lines(&report.presets, |id| format!("  {}", printable(id)));
    }
    if !report.left.is_empty() {
        text.line("LEFT, because somebody uses it by now:");
    }
    text.lines(&report.left, |left| {
        let because = match left.because {
            Because::Changed => "changed since",
            Because::InUse => "a destination asks for it",
            Because::Unmarked => "the row does not say that this migration added it",
        };
        let (table, id, names) = (left.table, printable(&left.id), left.attributes.join(", "));
        format!("  {table} {id} {names}: {because}")
    });
    for table in &report.tables {
        let (kind, now) = (table.table, table.now);
        let compared = match table.before {
            None => "",
            Some(_) if table.is_same() => ", as before the migration",
            Some(_) => ", not as before the migration: somebody wrote since",
        };
        let (rows, hash) = (now.rows, now.sha256);
        text.line(format_args!(
            "{kind}: {rows} rows, SHA-256 {hash}{compared}"
        ));
    }
    text.0
}

fn list_text(all: &[MigrationEntry]) -> String {
    let mut text = Text::default();
    for entry in all {
        let (id, state) = (&entry.id, entry.state.as_str());
        text.line(format_args!("{id}  {state}  began {}", entry.began_at));
        for (kind, arn) in &entry.backups {
            text.line(format_args!("  backup of {kind}: {arn}"));
        }
        if let Some(name) = &entry.without_backup_says {
            text.line(format_args!("  without a backup, says {}", printable(name)));
        }
    }
    if all.is_empty() {
        text.line("there were no migrations");
    }
    text.0
}

fn row_line(row: &RowChange) -> String {
    format!("  {}: {}", printable(&row.id), row.attributes.join(", "))
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, line: impl fmt::Display) {
        let _ = writeln!(self.0, "{line}");
    }

    /// The first lines of many, and how many more there are.
    fn lines<T>(&mut self, all: &[T], line: impl Fn(&T) -> String) {
        for one in all.iter().take(LINES_MAX) {
            self.line(line(one));
        }
        if LINES_MAX < all.len() {
            let more = all.len() - LINES_MAX;
            self.line(format_args!("  and {more} more; --json has all"));
        }
    }

    fn tables(&mut self, tables: &[TableState]) {
        for table in tables {
            let recovery = match table.recovery {
                Recovery::On => "point-in-time recovery is on",
                Recovery::Off => "point-in-time recovery is off",
                Recovery::Unknown => "whether point-in-time recovery is on may not be asked",
            };
            let counted = match table.tally {
                None => String::new(),
                Some(tally) => format!("{} rows, SHA-256 {}; ", tally.rows, tally.sha256),
            };
            self.line(format_args!(
                "{} ({}): {counted}{recovery}",
                table.kind, table.name
            ));
        }
    }

    fn left_alone(&mut self, presets_taken: &[String], unreadable: &[UnreadableRow]) {
        self.lines(presets_taken, |id| {
            let id = printable(id);
            format!("LEFT: preset {id} is not added, because another one has its id")
        });
        self.lines(unreadable, |row| {
            let (table, id, reason) = (row.table, printable(&row.id), &row.reason);
            format!("LEFT: {table} {id} cannot be read: {reason}")
        });
    }

    fn drift(&mut self, drift: &Drift) {
        let all = [
            ("changed", &drift.changed),
            ("new", &drift.added),
            ("gone", &drift.gone),
        ];
        for (what, ids) in all {
            self.lines(ids, |id| format!("  {what}: {}", printable(id)));
        }
        if drift.is_none() {
            self.line("  before this process began; which rows is not known");
        }
    }
}

/// An id is anybody's text, and a terminal obeys some.
fn printable(text: &str) -> String {
    text.escape_debug().to_string()
}

/// The same JSON document without a character that a terminal could obey: what is
/// not ASCII, or DEL, stands in strings alone, and JSON can escape it there.
fn plain_ascii(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() && character != '\u{7f}' {
            plain.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(plain, "\\u{unit:04x}");
            }
        }
    }
    plain
}

fn show<T: Serialize + ?Sized>(
    json: bool,
    value: &T,
    text: impl Fn(&T) -> String,
) -> Result<(), Box<dyn Error>> {
    let text = if json {
        plain_ascii(&serde_json::to_string_pretty(value)?) + "\n"
    } else {
        text(value)
    };
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        // Who closed the pipe has read enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Box::new(NotShown(error))),
        _ => Ok(()),
    }
}

/// The command did what it should, and its output did not arrive.
#[derive(Debug)]
struct NotShown(io::Error);

impl fmt::Display for NotShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is done, and what was done could not be written to standard output")
    }
}

impl Error for NotShown {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// Tells a person something that is not the result.
fn tell(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Asks a person. Where nobody can answer, the answer is no.
fn is_agreed(question: &str) -> bool {
    if !io::stdin().is_terminal() {
        tell(&format!("{question} Nobody can answer here; say --yes\n"));
        return false;
    }
    tell(&format!("{question} Type yes to go on: "));
    let mut answer = String::new();
    let is_read = io::stdin().lock().read_line(&mut answer).is_ok();
    is_read && answer.trim() == "yes"
}

/// Shows a person on one line how far it came.
fn show_progress() -> impl FnMut(Progress) + Send {
    let is_watched = io::stderr().is_terminal();
    move |progress| {
        if !is_watched {
            return;
        }
        let what = match progress.phase {
            Phase::Reading => "reading tables",
            Phase::BackingUp => "backing up tables",
            Phase::Rows => "destinations",
            Phase::Verifying => "comparing tables",
        };
        let (done, total) = (progress.done, progress.total);
        tell(&format!("\r\x1b[K{what}: {done} of {total}\r"));
    }
}

/// An error and all that caused it, in one line but for lists.
fn why(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(line, ": {error}");
        cause = error.source();
    }
    line
}

#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the time comes from"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

#[derive(Debug)]
struct RandomIds;

impl IdSource for RandomIds {
    fn mint(&self) -> u128 {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the system gives random bytes");
        u128::from_ne_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_of_an_id_reaches_a_terminal_that_it_could_obey() {
        let id = "a\u{9b}31m\u{202e}\u{7f}\u{1f600}\u{1b}";
        let json = plain_ascii(&serde_json::to_string(id).unwrap());
        let is_plain = |it: char| it.is_ascii_graphic();
        assert!(json.chars().all(is_plain), "{json:?}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), id);
        let text = printable(id);
        assert!(
            text.chars().all(|it| is_plain(it) || it == '\u{1f600}'),
            "{text:?}"
        );
    }
}
