//! What a deployment says about itself, read from the environment once.

use std::{env, fmt, str::FromStr};

/// Where a deployment keeps its things.
///
/// The running system has the tables `lunora-destinations`, `lunora-presets`,
/// `lunora-streaming-sessions` and `lunora-sources` and the prefix
/// `/lunora-player/streaming`. None of these is a default: a program that was
/// told nothing must not find somebody's tables by luck.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AwsConfig {
    /// The tables, all of them different.
    pub tables: Tables,
    /// What the names of all stream keys begin with.
    pub parameter_prefix: ParameterPrefix,
    /// The MediaConnect flow that outputs are added to.
    pub flow_arn: Option<FlowArn>,
    /// The MediaLive channel that outputs are switched on.
    pub channel_id: Option<ChannelId>,
    /// The account that all of this is in.
    pub account_id: Option<AccountId>,
    /// The KMS key that parameters are encrypted under; see
    /// `SsmSecretStore::with_kms_key`. Without it they are written under
    /// `alias/aws/ssm`, also those that were under another key before.
    pub parameter_kms_key: Option<KmsKey>,
}

/// The tables of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tables {
    /// Destinations, by `destination_id`.
    pub destinations: TableName,
    /// Encoding presets, by `preset_id`.
    pub presets: TableName,
    /// Streaming sessions, by `session_id`.
    pub sessions: TableName,
    /// Sources, by `source_id`.
    pub sources: TableName,
    /// What must outlive a crash or be agreed on by several processes, by `pk` and `sk`.
    pub control: TableName,
}

impl AwsConfig {
    /// Reads it from the environment of this process.
    ///
    /// This is all that this crate itself reads there. Credentials, region and
    /// endpoints are the SDK's business; see [`sdk_config`](crate::sdk_config).
    pub fn from_env() -> Result<Self, ConfigError> {
        // What is not Unicode gets a replacement character, which no rule below lets through.
        Self::from_lookup(|name| Some(env::var_os(name)?.to_string_lossy().into_owned()))
    }

    /// Reads it from wherever `lookup` looks a name up.
    ///
    /// An empty value counts as missing, because templates of deployments leave such.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader {
            lookup,
            problems: Vec::new(),
        };
        let destinations = reader.required(&DESTINATIONS_TABLE);
        let presets = reader.required(&PRESETS_TABLE);
        let sessions = reader.required(&SESSIONS_TABLE);
        let sources = reader.required(&SOURCES_TABLE);
        let control = reader.required(&CONTROL_TABLE);
        reader.tell_apart(&[
            (&DESTINATIONS_TABLE, &destinations),
            (&PRESETS_TABLE, &presets),
            (&SESSIONS_TABLE, &sessions),
            (&SOURCES_TABLE, &sources),
            (&CONTROL_TABLE, &control),
        ]);
        let parameter_prefix = reader.required(&PARAMETER_STORE_PREFIX);
        let flow_arn = reader.optional(&MEDIACONNECT_FLOW_ARN);
        let channel_id = reader.optional(&MEDIALIVE_CHANNEL_ID);
        let account_id = reader.optional(&AWS_ACCOUNT_ID);
        let parameter_kms_key = reader.optional(&PARAMETER_KMS_KEY_ID);
        let error = ConfigError {
            problems: reader.problems,
        };
        // Whatever is `None` here has left its problem behind.
        match (
            destinations,
            presets,
            sessions,
            sources,
            control,
            parameter_prefix,
        ) {
            (
                Some(destinations),
                Some(presets),
                Some(sessions),
                Some(sources),
                Some(control),
                Some(parameter_prefix),
            ) if error.problems.is_empty() => Ok(Self {
                tables: Tables {
                    destinations,
                    presets,
                    sessions,
                    sources,
                    control,
                },
                parameter_prefix,
                flow_arn,
                channel_id,
                account_id,
                parameter_kms_key,
            }),
            _ => Err(error),
        }
    }
}

/// A name that is looked up, with what a person has to know to set it.
struct Setting {
    name: &'static str,
    purpose: &'static str,
    example: &'static str,
}

const DESTINATIONS_TABLE: Setting = Setting {
    name: "DESTINATIONS_TABLE",
    purpose: "the DynamoDB table of destinations",
    example: "lunora-destinations",
};
const PRESETS_TABLE: Setting = Setting {
    name: "PRESETS_TABLE",
    purpose: "the DynamoDB table of encoding presets",
    example: "lunora-presets",
};
const SESSIONS_TABLE: Setting = Setting {
    name: "SESSIONS_TABLE",
    purpose: "the DynamoDB table of streaming sessions",
    example: "lunora-streaming-sessions",
};
const SOURCES_TABLE: Setting = Setting {
    name: "SOURCES_TABLE",
    purpose: "the DynamoDB table of sources",
    example: "lunora-sources",
};
const CONTROL_TABLE: Setting = Setting {
    name: "CONTROL_TABLE",
    purpose: "the DynamoDB table of what is under way: passes, removals, answers to repeat",
    example: "lunora-control",
};
const PARAMETER_STORE_PREFIX: Setting = Setting {
    name: "PARAMETER_STORE_PREFIX",
    purpose: "what the Parameter Store names of stream keys begin with",
    example: "/lunora-player/streaming",
};
const MEDIACONNECT_FLOW_ARN: Setting = Setting {
    name: "MEDIACONNECT_FLOW_ARN",
    purpose: "the MediaConnect flow that outputs are added to",
    example: "arn:aws:mediaconnect:us-east-1:111122223333:flow:1-Abc-0123:live",
};
const MEDIALIVE_CHANNEL_ID: Setting = Setting {
    name: "MEDIALIVE_CHANNEL_ID",
    purpose: "the MediaLive channel that outputs are switched on",
    example: "1234567",
};
const AWS_ACCOUNT_ID: Setting = Setting {
    name: "AWS_ACCOUNT_ID",
    purpose: "the account that all of this is in",
    example: "111122223333",
};

const PARAMETER_KMS_KEY_ID: Setting = Setting {
    name: "PARAMETER_KMS_KEY_ID",
    purpose: "the KMS key that stream keys are encrypted under in the Parameter Store",
    example: "alias/lunora",
};

struct Reader<F> {
    lookup: F,
    problems: Vec<Problem>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    fn required<T: FromStr<Err = NameProblem>>(&mut self, setting: &'static Setting) -> Option<T> {
        let read = self.optional(setting);
        if read.is_none() && !self.problems.iter().any(|problem| problem.is_of(setting)) {
            self.blame(setting, "is missing".to_owned());
        }
        read
    }

    fn optional<T: FromStr<Err = NameProblem>>(&mut self, setting: &'static Setting) -> Option<T> {
        let text = (self.lookup)(setting.name).filter(|text| !text.is_empty())?;
        match text.parse() {
            Ok(read) => Some(read),
            Err(problem) => {
                self.blame(setting, format!("is not valid: {problem}"));
                None
            }
        }
    }

    /// Rows of two kinds in one table would be read as each other.
    fn tell_apart(&mut self, tables: &[(&'static Setting, &Option<TableName>)]) {
        for (at, (setting, table)) in tables.iter().enumerate() {
            let same = tables[..at]
                .iter()
                .find(|(_, other)| table.is_some() && other == table);
            if let Some((other, _)) = same {
                self.blame(setting, format!("names the same table as {}", other.name));
            }
        }
    }

    fn blame(&mut self, setting: &'static Setting, what: String) {
        self.problems.push(Problem { setting, what });
    }
}

/// What the environment lacks or has wrong, all of it.
///
/// Its text says for each name what it is for and how it looks. It quotes no
/// value: one could be a secret in the wrong place.
#[derive(Clone)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    /// The names that are missing or wrong, in the order in which they are read.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.problems.iter().map(|problem| problem.setting.name)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the environment does not say where to work")?;
        for Problem { setting, what } in &self.problems {
            let Setting {
                name,
                purpose,
                example,
            } = setting;
            write!(
                f,
                "\n  {name} {what}; it is {purpose}, for example {example}"
            )?;
        }
        Ok(())
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigError({self})")
    }
}

impl std::error::Error for ConfigError {}

#[derive(Clone)]
struct Problem {
    setting: &'static Setting,
    what: String,
}

impl Problem {
    fn is_of(&self, setting: &Setting) -> bool {
        self.setting.name == setting.name
    }
}

/// The rule that a name breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NameProblem(&'static str);

/// Makes a type of a text that a rule lets through.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as AWS writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameProblem;

            fn from_str(text: &str) -> Result<Self, NameProblem> {
                $check(text).map_err(NameProblem)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The name of a DynamoDB table.
    TableName, check_table
}

name! {
    /// What the names of all parameters of a deployment begin with: `/a/b`, without a slash at its end.
    ParameterPrefix, check_prefix
}

name! {
    /// The ARN of a MediaConnect flow.
    FlowArn, check_flow
}

name! {
    /// The id of a MediaLive channel.
    ChannelId, check_channel
}

name! {
    /// The twelve digits of an AWS account.
    AccountId, check_account
}

name! {
    /// The KMS key that parameters are encrypted under: its id, its alias
    /// (`alias/…`), or the ARN of either.
    KmsKey, check_kms_key
}

impl ParameterPrefix {
    /// How many levels Lunora adds at most, as in `/destinations/<id>/stream_key`.
    pub const LEVELS_BELOW: usize = 3;
    /// The Parameter Store takes as many.
    const LEVELS_MAX: usize = 15 - Self::LEVELS_BELOW;
    /// A whole name may have 1,011 characters, the ARN before it included.
    const LENGTH_MAX: usize = 512;
}

fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-')
}

fn check_table(text: &str) -> Result<(), &'static str> {
    if !(3..=255).contains(&text.len()) {
        return Err("a table name has 3 to 255 characters");
    }
    if !text.chars().all(is_name_character) {
        return Err("a table name is made of letters, digits, '_', '.' and '-'");
    }
    Ok(())
}

fn check_prefix(text: &str) -> Result<(), &'static str> {
    let Some(path) = text.strip_prefix('/') else {
        return Err("a prefix begins with '/'");
    };
    if path.ends_with('/') || path.is_empty() {
        return Err("a prefix does not end with '/'");
    }
    if text.len() > ParameterPrefix::LENGTH_MAX {
        return Err("a prefix has at most 512 characters");
    }
    if path.split('/').count() > ParameterPrefix::LEVELS_MAX {
        return Err(
            "a prefix has at most 12 levels, because Lunora adds 3 of the 15 that there can be",
        );
    }
    if path.split('/').any(str::is_empty) {
        return Err("no level of a prefix is empty");
    }
    if !path
        .split('/')
        .all(|level| level.chars().all(is_name_character))
    {
        return Err("a prefix is made of letters, digits, '_', '.', '-' and '/'");
    }
    // AWS keeps these to itself, as the beginning of the first level and not only as all of it.
    let begin = path.get(..3).map(str::to_ascii_lowercase);
    if matches!(begin.as_deref(), Some("aws" | "ssm")) {
        return Err("a prefix does not begin with /aws or /ssm");
    }
    Ok(())
}

fn check_flow(text: &str) -> Result<(), &'static str> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, "mediaconnect", region, account, resource] = parts[..] else {
        return Err("the ARN of a flow is arn:aws:mediaconnect:REGION:ACCOUNT:flow:ID:NAME");
    };
    let is_whole =
        partition.starts_with("aws") && !region.is_empty() && resource.starts_with("flow:");
    if !is_whole || check_account(account).is_err() {
        return Err("the ARN of a flow is arn:aws:mediaconnect:REGION:ACCOUNT:flow:ID:NAME");
    }
    if !text
        .chars()
        .all(|character| character == ':' || is_name_character(character))
    {
        return Err("the ARN of a flow is made of letters, digits, ':', '_', '.' and '-'");
    }
    Ok(())
}

fn check_channel(text: &str) -> Result<(), &'static str> {
    // AWS makes them of digits, but only says that they are strings.
    if text.len() > 64 || !text.chars().all(is_name_character) {
        return Err("the id of a channel is the number that MediaLive shows, not its ARN or name");
    }
    Ok(())
}

fn check_account(text: &str) -> Result<(), &'static str> {
    if text.len() != 12 || !text.chars().all(|character| character.is_ascii_digit()) {
        return Err("an account has 12 digits");
    }
    Ok(())
}

fn check_kms_key(text: &str) -> Result<(), &'static str> {
    // The longest name that a parameter takes.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/_-".contains(&byte);
    if text.is_empty() || 256 < text.len() || !text.bytes().all(plain) {
        return Err(
            "a KMS key is named by its id, by alias/NAME or by the ARN of either, \
             in at most 256 letters, digits, ':', '/', '_' and '-'",
        );
    }
    Ok(())
}
