//! What outputs are called, so that ours are told from others' (rule 11).

use std::{fmt, str::FromStr};

use lunora_core::domain::{Leg, OutputId};

/// Names a deployment: 1 to 20 lower-case letters and digits.
///
/// It stands in the name of every output, so that two deployments may share a flow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Deployment(String);

/// The text names no deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a deployment is named by 1 to 20 lower-case letters and digits")]
pub struct DeploymentError;

impl Deployment {
    /// The longest name, in characters.
    pub const LEN_MAX: usize = 20;

    /// Borrows the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What an output is called: `lunora-<deployment>-<destination>-<leg>`.
    pub(super) fn name_of(&self, id: &OutputId) -> String {
        format!("lunora-{self}-{id}")
    }

    /// Which output of ours is called so. What we would not call so is not ours.
    pub(super) fn id_of(&self, name: &str) -> Option<OutputId> {
        // A deployment has no dash, so none is the beginning of another.
        let rest = name.strip_prefix("lunora-")?.strip_prefix(self.as_str())?;
        let (destination, leg) = rest.strip_prefix('-')?.rsplit_once('-')?;
        let leg = [Leg::Primary, Leg::Backup]
            .into_iter()
            .find(|it| it.to_string() == leg)?;
        let destination = destination.parse().ok()?;
        Some(OutputId { destination, leg })
    }
}

impl FromStr for Deployment {
    type Err = DeploymentError;

    fn from_str(text: &str) -> Result<Self, DeploymentError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if !(1..=Self::LEN_MAX).contains(&text.len()) || !text.bytes().all(plain) {
            return Err(DeploymentError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn deployment(text: &str) -> Deployment {
        text.parse().unwrap()
    }

    #[test]
    fn a_deployment_is_a_short_word() {
        for text in ["p", "prod2", "12345678901234567890"] {
            assert_eq!(deployment(text).as_str(), text);
        }
        for text in ["", "Prod", "a-b", "a b", "ä", "123456789012345678901"] {
            assert_eq!(text.parse::<Deployment>(), Err(DeploymentError), "{text}");
        }
    }

    #[test]
    fn rule_11_what_is_not_named_as_ours_is_not_ours() {
        let ours = deployment("prod");
        for name in [
            "",
            "lunora",
            "lunora-prod",
            "lunora-prod-",
            "lunora-prod-d",
            "lunora-prod-primary",
            "lunora-prod--primary",
            "lunora-prod-d-third",
            "lunora-prod-d-PRIMARY",
            "lunora-prod-d e-primary",
            "lunora-production-d-primary",
            "lunora-test-d-primary",
            "x-lunora-prod-d-primary",
            "lunora-prod-ä-primary",
        ] {
            assert_eq!(ours.id_of(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn rule_11_an_output_is_found_again_by_its_name(
            deployment in "[a-z0-9]{1,20}",
            destination in "[A-Za-z0-9_.-]{1,128}",
            backup in any::<bool>(),
        ) {
            let id = OutputId {
                destination: destination.parse().unwrap(),
                leg: if backup { Leg::Backup } else { Leg::Primary },
            };
            let deployment: Deployment = deployment.parse().unwrap();
            prop_assert_eq!(deployment.id_of(&deployment.name_of(&id)), Some(id));
        }

        #[test]
        fn a_hostile_name_is_read_without_a_panic(name in ".{0,200}") {
            let read = deployment("prod").id_of(&name);
            prop_assert!(read.is_none_or(|id| deployment("prod").name_of(&id) == name));
        }
    }
}
