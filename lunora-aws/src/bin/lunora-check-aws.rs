//! Finds out on an account what nobody has written down about AWS.
//!
//! It prints ids, names, codes and times; never a stream key, and no text of AWS.

use std::{
    env,
    error::Error,
    fmt::{self, Write as _},
    future::Future,
    io::{self, BufRead, IsTerminal, Read, Write},
    process::ExitCode,
    sync::Arc,
};

use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use clap::Parser;
use jiff::Timestamp;
use lunora_aws::{
    Budget, ChannelId, FlowArn, TableName,
    check::{ASSUMPTIONS, Book, Check, FarEnd, Finding, Looked, RunId, Trouble, Verdict},
    dynamodb::DynamoDbEvidence,
    medialive::MediaLiveChannel,
    sdk_config,
};
use lunora_core::{ExposeSecret, SecretString, domain::HashKey, port::Clock};
use serde_json::json;

/// Where the stream key of `--output-to` is read from.
const KEY: &str = "LUNORA_CHECK_STREAM_KEY";
/// A stream key is no longer than that.
const KEY_LEN_MAX: u64 = 4096;

/// Tests on a real account what Lunora assumes of MediaConnect and MediaLive.
///
/// First it only reads. Then it says what it will do and what that costs, and asks. It adds one
/// output to the flow, off, changes it, and removes it, also when it is stopped (ctrl-c)
/// or fails. It writes no other output. All of it takes at most ten minutes.
#[derive(Debug, Parser)]
#[command(name = "lunora-check-aws", version)]
#[command(after_help = "\
Credentials, region and endpoint are found as by every tool of AWS. The flow may also be given as
MEDIACONNECT_FLOW_ARN, the channel as MEDIALIVE_CHANNEL_ID. The stream key of --output-to is read
from LUNORA_CHECK_STREAM_KEY, or with --key-stdin from standard input; it is never shown.

Exit codes: 0 nothing that was looked at is otherwise than assumed; 1 something is, and the report
says what happens then; 2 it could not be checked, was stopped, or nobody agreed.

docs/aws.md lists the assumptions and the IAM permissions that this needs.")]
struct Cli {
    /// The flow to check, by its ARN
    #[arg(long, value_name = "ARN")]
    flow: Option<FlowArn>,
    /// The MediaLive channel that feeds it, by its id
    #[arg(long, value_name = "ID")]
    channel: Option<ChannelId>,
    /// Push there for some seconds: rtmp:// or rtmps://, without the stream key
    #[arg(long, value_name = "URL")]
    output_to: Option<String>,
    /// Read the stream key from standard input; needs --yes
    #[arg(long, requires_all = ["output_to", "yes"])]
    key_stdin: bool,
    /// The control table of a deployment, which keeps what events tell of outputs
    #[arg(long, value_name = "NAME")]
    evidence_table: Option<TableName>,
    /// The bitrate of the flow, to say what the transfer costs
    #[arg(long, value_name = "MBIT/S", default_value_t = 10.0)]
    mbps: f64,
    /// Only read
    #[arg(long, conflicts_with_all = ["output_to", "clean_up"])]
    read_only: bool,
    /// Do not ask whether to go on
    #[arg(long)]
    yes: bool,
    /// With --yes: go on although other outputs of the flow are on
    #[arg(long)]
    beside_live: bool,
    /// Only remove the test outputs that a killed run left on the flow
    #[arg(long)]
    clean_up: bool,
    /// Only print the list of assumptions, as in docs/aws.md
    #[arg(long)]
    list: bool,
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
}

/// It was called wrongly, or nobody agreed.
#[derive(Debug)]
struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Refused {}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Well,
    Wrong,
    NotChecked,
}

impl Ending {
    fn of(book: &Book, result: &Result<(), Trouble>) -> Self {
        match (book.wrong_ids().next(), result) {
            // That test outputs may be left has to be seen first.
            (_, Err(Trouble::Left(_))) | (None, Err(_)) => Self::NotChecked,
            (Some(_), _) => Self::Wrong,
            (None, Ok(())) => Self::Well,
        }
    }

    fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Well => 0,
            Self::Wrong => 1,
            Self::NotChecked => 2,
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
        Ok(runtime) => runtime.block_on(run(&cli)),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(ending) => ending.code(),
        Err(error) => {
            tell(&format!("error: {error}\n"));
            Ending::NotChecked.code()
        }
    }
}

type Outcome<T> = Result<T, Box<dyn Error>>;

async fn run(cli: &Cli) -> Outcome<Ending> {
    if cli.list {
        show(&list())?;
        return Ok(Ending::Well);
    }
    let far_end = far_end(cli)?;
    let check = check(cli).await?;
    if cli.clean_up {
        return clean_up(&check, cli).await;
    }
    let mut book = Book::default();
    let mut progress = |step: &str| tell(&format!("... {step}\n"));
    let looked = check.look(&mut book, &mut progress).await?;
    let mut result = Ok(());
    if !cli.read_only {
        agree(&check, cli, &looked, far_end.as_ref())?;
        result = check.rehearse(&mut book, &mut progress).await;
        if result.is_ok() {
            let far_end = far_end.as_ref();
            let tried = check.try_out(far_end, stopped()?, &mut book, &mut progress);
            result = tried.await;
        }
    }
    let ending = Ending::of(&book, &result);
    let report = if cli.json {
        json_of(&book, &result)? + "\n"
    } else {
        text_of(&book, &result)
    };
    show(&report)?;
    Ok(ending)
}

/// Everything that a check stands on.
async fn check(cli: &Cli) -> Outcome<Check> {
    let flow = match &cli.flow {
        Some(flow) => flow.clone(),
        None => named("MEDIACONNECT_FLOW_ARN")?
            .ok_or_else(|| Refused("say which flow: --flow ARN".to_owned()))?,
    };
    let channel = match &cli.channel {
        Some(channel) => Some(channel.clone()),
        None => named("MEDIALIVE_CHANNEL_ID")?,
    };
    let sdk = sdk_config().await;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let sleep = SharedAsyncSleep::new(TokioSleep::new());
    let budget = Arc::new(Budget::new(Arc::clone(&clock), sleep));
    let mut bits = [0; 4];
    getrandom::fill(&mut bits).map_err(|_| Refused("there are no random bits".to_owned()))?;
    let run = RunId::new(u32::from_ne_bytes(bits));
    let client = aws_sdk_mediaconnect::Client::new(&sdk);
    let mut check = Check::new(&client, flow, run, Arc::clone(&budget), Arc::clone(&clock));
    if let Some(channel) = channel {
        let client = aws_sdk_medialive::Client::new(&sdk);
        // No receipt is made, so any key will do.
        let hash_key = HashKey::new([0; 32]);
        let channel = MediaLiveChannel::new(&client, channel, budget, clock, hash_key);
        check = check.with_channel(channel);
    }
    if let Some(table) = &cli.evidence_table {
        let client = aws_sdk_dynamodb::Client::new(&sdk);
        check = check.with_evidence(Arc::new(DynamoDbEvidence::new(client, table.clone())));
    }
    Ok(check)
}

fn named<T: std::str::FromStr<Err: fmt::Display>>(name: &str) -> Outcome<Option<T>> {
    match env::var(name) {
        Ok(text) if !text.is_empty() => match text.parse() {
            Ok(named) => Ok(Some(named)),
            Err(problem) => Err(Refused(format!("{name}: {problem}")).into()),
        },
        _ => Ok(None),
    }
}

fn far_end(cli: &Cli) -> Outcome<Option<FarEnd>> {
    let Some(url) = &cli.output_to else {
        return Ok(None);
    };
    let key = if cli.key_stdin {
        let mut key = String::new();
        io::stdin()
            .lock()
            .take(KEY_LEN_MAX)
            .read_to_string(&mut key)?;
        SecretString::from(key.trim())
    } else {
        SecretString::from(env::var(KEY).unwrap_or_default())
    };
    if key.expose_secret().is_empty() {
        return Err(Refused(format!("{KEY} holds no stream key for --output-to")).into());
    }
    let far_end = FarEnd::new(url, &key);
    Ok(Some(far_end.map_err(|error| {
        Refused(format!("--output-to: {error}"))
    })?))
}

async fn clean_up(check: &Check, cli: &Cli) -> Outcome<Ending> {
    let removed = check.clean_up().await?;
    if cli.json {
        show(&format!("{}\n", json!({ "removed": removed })))?;
    } else {
        let mut text = format!("{} test outputs removed\n", removed.len());
        for name in removed {
            let _ = writeln!(text, "  {name}");
        }
        show(&text)?;
    }
    Ok(Ending::Well)
}

/// Says what will be done, and asks.
fn agree(check: &Check, cli: &Cli, looked: &Looked, far_end: Option<&FarEnd>) -> Outcome<()> {
    tell(&format!("\n{}\n", check.intent(looked, far_end, cli.mbps)));
    if !looked.left.is_empty() {
        let left = looked.left.len();
        tell(&format!(
            "{left} test outputs of an earlier run are there; --clean-up removes them\n"
        ));
    }
    let is_live = looked.status != "STANDBY" && 0 < looked.on;
    if cli.yes {
        if is_live && !cli.beside_live {
            let why =
                "other outputs of the flow are on; say --beside-live, or answer without --yes";
            return Err(Refused(why.to_owned()).into());
        }
        return Ok(());
    }
    if is_agreed("Do this?") {
        Ok(())
    } else {
        Err(Refused("nobody agreed; nothing was changed".to_owned()).into())
    }
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

/// Ends when somebody stops this program. A second time changes nothing: what is
/// left to do is to remove the test output.
fn stopped() -> Outcome<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut all = [
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
        signal(SignalKind::hangup())?,
    ];
    Ok(async move {
        let [interrupt, terminate, hangup] = &mut all;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        tell("\nstopping; the test output is removed first\n");
    })
}

/// The rows of the table in `docs/aws.md`.
fn list() -> String {
    let mut text = String::new();
    for it in ASSUMPTIONS {
        let _ = writeln!(text, "{}", it.row());
    }
    text
}

fn text_of(book: &Book, result: &Result<(), Trouble>) -> String {
    let mut text = String::new();
    for finding in book.findings_of_ours() {
        let Finding { id, seen, .. } = &finding;
        let word = match finding.verdict {
            Verdict::Holds => "holds",
            Verdict::Wrong => "WRONG",
            Verdict::Open => "open ",
        };
        let _ = writeln!(text, "{word}  {id:<20} {seen}");
        if finding.verdict == Verdict::Wrong {
            let _ = writeln!(text, "         assumed: {}", finding.assumed);
            let _ = writeln!(text, "         so: {}", finding.if_wrong);
        }
    }
    let rest = ASSUMPTIONS.len() - book.findings_of_ours().len();
    let _ = writeln!(
        text,
        "{rest} more need a person; docs/aws.md says which and how"
    );
    if let Err(trouble) = result {
        let _ = writeln!(text, "NOT FINISHED: {trouble}");
    }
    text
}

fn json_of(book: &Book, result: &Result<(), Trouble>) -> Outcome<String> {
    let trouble = result.as_ref().err().map(ToString::to_string);
    let report = json!({ "findings": book.findings(), "trouble": trouble });
    Ok(serde_json::to_string_pretty(&report)?)
}

fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Who closed the pipe has read enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Tells a person something that is not the result.
fn tell(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
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
