//! Whether the settings of a channel make sense.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    input::{Direction, Input},
    items,
    refusal::Faults,
    settings::{called, pipelines},
    texts,
};
use crate::aws::wire::Refusal;

/// The most inputs, and push inputs, of one channel.
const INPUTS_MAX: usize = 20;
const PUSH_INPUTS_MAX: usize = 2;

/// Settings of destinations by the kind of output that uses them.
const DESTINATIONS: [(&str, &str); 3] = [
    ("srtOutputSettings", "srtSettings"),
    (
        "mediaConnectRouterOutputSettings",
        "mediaConnectRouterSettings",
    ),
    ("mediaPackageOutputSettings", "mediaPackageSettings"),
];

/// Checks the settings that a channel would have.
///
/// `is_free` says whether an input is attached to no other channel.
pub(super) fn check(
    settings: &Value,
    inputs: &[Input],
    is_free: impl Fn(&str) -> bool,
) -> Result<(), Refusal> {
    let mut faults = Faults::default();
    if settings["name"].as_str().is_none_or(str::is_empty) {
        faults.add("name", "is missing");
    }
    if !settings["encoderSettings"].is_object() {
        faults.add("encoderSettings", "is missing");
    }
    check_attachments(settings, inputs, is_free, &mut faults);
    check_destinations(settings, &mut faults);
    check_descriptions(&settings["encoderSettings"], &mut faults);
    let groups = items(&settings["encoderSettings"]["outputGroups"]);
    if groups.is_empty() {
        faults.add("encoderSettings.outputGroups", "is empty");
    }
    for (index, group) in groups.iter().enumerate() {
        check_group(
            settings,
            group,
            &format!("encoderSettings.outputGroups[{index}]"),
            &mut faults,
        );
    }
    check_output_names(groups, &mut faults);
    faults.into_result()
}

fn check_attachments(
    settings: &Value,
    inputs: &[Input],
    is_free: impl Fn(&str) -> bool,
    faults: &mut Faults,
) {
    let attachments = items(&settings["inputAttachments"]);
    if attachments.is_empty() || INPUTS_MAX < attachments.len() {
        faults.add("inputAttachments", "has none, or more than 20");
    }
    let mut push = 0;
    let (mut ids, mut names) = (BTreeSet::new(), BTreeSet::new());
    for (index, attachment) in attachments.iter().enumerate() {
        let path = format!("inputAttachments[{index}]");
        let id = attachment["inputId"].as_str().unwrap_or_default();
        let input = inputs
            .iter()
            .find(|input| input.id == id && input.is_usable());
        match input {
            None => faults.add(format!("{path}.inputId"), "there is no such input"),
            Some(_) if !is_free(id) => {
                faults.add(
                    format!("{path}.inputId"),
                    "the input is attached to another channel",
                );
            }
            Some(_) if !ids.insert(id) => {
                faults.add(format!("{path}.inputId"), "the input is attached twice");
            }
            Some(input) => push += usize::from(input.direction() == Direction::Push),
        }
        if let Some(name) = attachment["inputAttachmentName"].as_str()
            && (name.is_empty() || !names.insert(name))
        {
            faults.add(
                format!("{path}.inputAttachmentName"),
                "is empty, or there twice",
            );
        }
        let second = attachment["automaticInputFailoverSettings"]["secondaryInputId"].as_str();
        if second.is_some_and(|second| !attachments.iter().any(|it| it["inputId"] == second)) {
            faults.add(
                format!("{path}.automaticInputFailoverSettings.secondaryInputId"),
                "the input is not attached",
            );
        }
    }
    if PUSH_INPUTS_MAX < push {
        faults.add("inputAttachments", "has more than 2 push inputs");
    }
}

fn check_destinations(settings: &Value, faults: &mut Faults) {
    let mut ids = BTreeSet::new();
    for (index, destination) in items(&settings["destinations"]).iter().enumerate() {
        let path = format!("destinations[{index}]");
        let id = destination["id"].as_str().unwrap_or_default();
        if id.is_empty() || !ids.insert(id) {
            faults.add(format!("{path}.id"), "is missing, or there twice");
        }
        // One for each pipeline.
        for kind in ["settings", "srtSettings"] {
            let each = items(&destination[kind]);
            if !each.is_empty() && each.len() != pipelines(settings) {
                faults.add(format!("{path}.{kind}"), "has not one for each pipeline");
            }
        }
        for (index, srt) in items(&destination["srtSettings"]).iter().enumerate() {
            check_srt(srt, &format!("{path}.srtSettings[{index}]"), faults);
        }
    }
}

/// An SRT output is always encrypted.
fn check_srt(srt: &Value, path: &str, faults: &mut Faults) {
    let secret = srt["encryptionPassphraseSecretArn"].as_str();
    if !secret.is_some_and(|arn| arn.starts_with("arn:") && arn.contains(":secretsmanager:")) {
        faults.add(
            format!("{path}.encryptionPassphraseSecretArn"),
            "is missing, or no secret",
        );
    }
    let listens = srt["connectionMode"] == "LISTENER";
    if listens != srt["listenerPort"].is_number() {
        faults.add(
            format!("{path}.listenerPort"),
            "is for a listener, and needed by it",
        );
    }
    if !listens && called(srt).is_none() {
        faults.add(format!("{path}.url"), "is not srt://host:port");
    }
}

fn check_descriptions(encoder: &Value, faults: &mut Faults) {
    for kind in ["videoDescriptions", "audioDescriptions"] {
        let mut names = BTreeSet::new();
        for (index, description) in items(&encoder[kind]).iter().enumerate() {
            if !names.insert(description["name"].as_str().unwrap_or_default()) {
                faults.add(
                    format!("encoderSettings.{kind}[{index}].name"),
                    "is there twice",
                );
            }
        }
    }
}

fn check_group(settings: &Value, group: &Value, path: &str, faults: &mut Faults) {
    let kinds = group["outputGroupSettings"].as_object();
    let mut kinds = kinds.into_iter().flatten().map(|(kind, _)| kind.as_str());
    let (kind, second) = (kinds.next(), kinds.next());
    let Some(kind) = kind.filter(|_| second.is_none()) else {
        faults.add(
            format!("{path}.outputGroupSettings"),
            "has not exactly one kind",
        );
        return;
    };
    let outputs = items(&group["outputs"]);
    if outputs.is_empty() || (kind == "rtmpGroupSettings" && outputs.len() != 1) {
        faults.add(
            format!("{path}.outputs"),
            "has none, or more than such a group can",
        );
    }
    let expected = kind.replace("GroupSettings", "OutputSettings");
    for (index, output) in outputs.iter().enumerate() {
        let path = format!("{path}.outputs[{index}]");
        check_output(settings, output, &expected, &path, faults);
    }
    let of_group = &group["outputGroupSettings"][kind]["destination"];
    check_reference(
        settings,
        of_group,
        &expected,
        &format!("{path}.outputGroupSettings"),
        faults,
    );
}

fn check_output(settings: &Value, output: &Value, expected: &str, path: &str, faults: &mut Faults) {
    let kinds = output["outputSettings"].as_object();
    if !kinds.is_some_and(|kinds| kinds.len() == 1 && kinds.contains_key(expected)) {
        faults.add(
            format!("{path}.outputSettings"),
            "is not of the kind of its group",
        );
        return;
    }
    let destination = &output["outputSettings"][expected]["destination"];
    check_reference(settings, destination, expected, path, faults);
    let encoder = &settings["encoderSettings"];
    let is_known =
        |kind: &str, name: &str| items(&encoder[kind]).iter().any(|it| it["name"] == name);
    let video = output["videoDescriptionName"].as_str();
    if video.is_some_and(|name| !is_known("videoDescriptions", name)) {
        faults.add(
            format!("{path}.videoDescriptionName"),
            "there is no such description",
        );
    }
    if texts(&output["audioDescriptionNames"]).any(|name| !is_known("audioDescriptions", name)) {
        faults.add(
            format!("{path}.audioDescriptionNames"),
            "there is no such description",
        );
    }
}

/// A reference to a destination names one, of the kind that the output needs.
fn check_reference(
    settings: &Value,
    reference: &Value,
    expected: &str,
    path: &str,
    faults: &mut Faults,
) {
    let Some(id) = reference["destinationRefId"].as_str() else {
        if reference.is_object() {
            faults.add(format!("{path}.destination"), "has no destinationRefId");
        }
        return;
    };
    let mut destinations = items(&settings["destinations"]).iter();
    let Some(destination) = destinations.find(|destination| destination["id"] == id) else {
        faults.add(
            format!("{path}.destination.destinationRefId"),
            "there is no such destination",
        );
        return;
    };
    let kind = DESTINATIONS.iter().find(|(output, _)| *output == expected);
    let kind = kind.map_or("settings", |(_, kind)| kind);
    if items(&destination[kind]).is_empty() {
        faults.add(
            format!("{path}.destination.destinationRefId"),
            "the destination has not the settings of such an output",
        );
    }
    if expected == "rtmpOutputSettings" {
        let is_complete = |each: &Value| {
            let url = each["url"].as_str().unwrap_or_default();
            let is_rtmp = url.starts_with("rtmp://") || url.starts_with("rtmps://");
            is_rtmp && each["streamName"].is_string()
        };
        if !items(&destination["settings"]).iter().all(is_complete) {
            faults.add(
                format!("{path}.destination"),
                "needs URLs of RTMP, and stream names",
            );
        }
    }
}

fn check_output_names(groups: &[Value], faults: &mut Faults) {
    let outputs = groups.iter().flat_map(|group| items(&group["outputs"]));
    let names = outputs.filter_map(|output| output["outputName"].as_str());
    let mut seen = BTreeSet::new();
    if !names.into_iter().all(|name| seen.insert(name)) {
        faults.add("encoderSettings.outputGroups", "has an output name twice");
    }
}
