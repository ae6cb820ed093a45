use std::collections::BTreeMap;

use lunora_aws::{AwsConfig, ConfigError, KmsKey, ParameterPrefix, TableName};

/// The environment of the running system, and our table beside it.
const WHOLE: [(&str, &str); 10] = [
    ("DESTINATIONS_TABLE", "lunora-destinations"),
    ("PRESETS_TABLE", "lunora-presets"),
    ("SESSIONS_TABLE", "lunora-streaming-sessions"),
    ("SOURCES_TABLE", "lunora-sources"),
    ("CONTROL_TABLE", "lunora-control"),
    ("PARAMETER_STORE_PREFIX", "/lunora-player/streaming"),
    (
        "MEDIACONNECT_FLOW_ARN",
        "arn:aws:mediaconnect:us-east-1:111122223333:flow:1-Abc-0123:live",
    ),
    ("MEDIALIVE_CHANNEL_ID", "1234567"),
    ("AWS_ACCOUNT_ID", "111122223333"),
    ("PARAMETER_KMS_KEY_ID", "alias/lunora"),
];

fn read_with(changes: &[(&str, &str)]) -> Result<AwsConfig, ConfigError> {
    let mut environment = BTreeMap::from(WHOLE);
    environment.extend(changes.iter().copied());
    AwsConfig::from_lookup(|name| environment.get(name).map(|&text| text.to_owned()))
}

fn names(error: &ConfigError) -> Vec<&'static str> {
    error.names().collect()
}

#[test]
fn the_environment_of_the_running_system_is_read() {
    let config = read_with(&[]).unwrap();

    assert_eq!(config.tables.destinations.as_str(), "lunora-destinations");
    assert_eq!(config.tables.presets.as_str(), "lunora-presets");
    assert_eq!(config.tables.sessions.as_str(), "lunora-streaming-sessions");
    assert_eq!(config.tables.sources.as_str(), "lunora-sources");
    assert_eq!(config.tables.control.as_str(), "lunora-control");
    assert_eq!(config.parameter_prefix.as_str(), "/lunora-player/streaming");
    assert_eq!(config.flow_arn.unwrap().as_str(), WHOLE[6].1);
    assert_eq!(config.channel_id.unwrap().as_str(), "1234567");
    assert_eq!(config.account_id.unwrap().as_str(), "111122223333");
    assert_eq!(config.parameter_kms_key.unwrap().as_str(), "alias/lunora");
}

#[test]
fn what_is_missing_is_told_all_at_once_with_its_purpose_and_an_example() {
    let error = AwsConfig::from_lookup(|_| None).unwrap_err();

    // In what order, and that the last four may be missing.
    let required: Vec<_> = WHOLE[..6].iter().map(|(name, _)| *name).collect();
    assert_eq!(names(&error), required);
    let text = error.to_string();
    for (name, example) in &WHOLE[..6] {
        assert!(text.contains(name) && text.contains(example), "{text}");
    }
    assert!(
        text.contains(
            "\n  SOURCES_TABLE is missing; it is the DynamoDB table of sources, for example \
             lunora-sources"
        ),
        "{text}"
    );
}

#[test]
fn an_empty_value_is_a_missing_one() {
    let config = read_with(&[("MEDIALIVE_CHANNEL_ID", "")]).unwrap();
    let error = read_with(&[("SOURCES_TABLE", "")]).unwrap_err();

    assert_eq!(config.channel_id, None);
    assert!(error.to_string().contains("SOURCES_TABLE is missing"));
}

#[test]
fn what_is_wrong_is_told_beside_what_is_missing_and_never_quoted() {
    let error = read_with(&[
        ("PRESETS_TABLE", "no/table"),
        ("SESSIONS_TABLE", ""),
        ("PARAMETER_STORE_PREFIX", "canary"),
        ("MEDIACONNECT_FLOW_ARN", "canary"),
        ("MEDIALIVE_CHANNEL_ID", "arn:canary"),
        ("AWS_ACCOUNT_ID", "canary"),
    ])
    .unwrap_err();

    assert_eq!(
        names(&error),
        [
            "PRESETS_TABLE",
            "SESSIONS_TABLE",
            "PARAMETER_STORE_PREFIX",
            "MEDIACONNECT_FLOW_ARN",
            "MEDIALIVE_CHANNEL_ID",
            "AWS_ACCOUNT_ID"
        ]
    );
    assert!(!format!("{error} {error:?}").contains("canary"));
}

#[test]
fn two_tables_are_never_one() {
    let error = read_with(&[("CONTROL_TABLE", "lunora-sources")]).unwrap_err();

    assert_eq!(names(&error), ["CONTROL_TABLE"]);
    let text = error.to_string();
    assert!(
        text.contains("names the same table as SOURCES_TABLE"),
        "{text}"
    );
}

#[test]
fn a_table_name_is_one_that_dynamodb_takes() {
    for good in ["abc", "a.b-c_D9", &"a".repeat(255)] {
        assert_eq!(good.parse::<TableName>().unwrap().as_str(), good);
    }
    for bad in [
        "",
        "ab",
        &"a".repeat(256),
        "a b c",
        "a/b",
        "a:b:c",
        "täble",
        "abc\u{fffd}",
    ] {
        bad.parse::<TableName>().unwrap_err();
    }
}

#[test]
fn a_prefix_is_one_below_which_the_parameter_store_takes_our_names() {
    let deepest = "/a".repeat(15 - ParameterPrefix::LEVELS_BELOW);
    let longest = format!("/{}", "a".repeat(511));
    for good in [
        "/a",
        "/lunora-player/streaming",
        "/a.b/c_d",
        &deepest,
        &longest,
    ] {
        assert_eq!(good.parse::<ParameterPrefix>().unwrap().as_str(), good);
    }
    let too_deep = format!("{deepest}/a");
    let too_long = format!("{longest}a");
    for bad in [
        "", "/", "a", "a/b", "/a/", "/a//b", "//a", "/a b", "/a:1", "/ä", "/aws", "/AWS/a",
        "/awsome", "/ssm/a", "/Ssm", &too_deep, &too_long,
    ] {
        assert!(bad.parse::<ParameterPrefix>().is_err(), "{bad}");
    }
    // Only its beginning is reserved.
    "/lunora/aws".parse::<ParameterPrefix>().unwrap();
}

#[test]
fn a_kms_key_is_named_by_its_id_its_alias_or_an_arn() {
    let names = [
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "mrk-1234abcd12ab34cd56ef1234567890ab",
        "alias/lunora",
        "alias/aws/ssm",
        "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    ];
    for name in names {
        assert_eq!(name.parse::<KmsKey>().unwrap().as_str(), name);
    }
    for name in ["", "two words", "alias/ü", "${KEY}", &"k".repeat(257)] {
        assert!(name.parse::<KmsKey>().is_err(), "{name}");
    }
}
