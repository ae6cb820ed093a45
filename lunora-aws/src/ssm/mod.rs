//! What Lunora keeps in the Parameter Store of Systems Manager: stream keys, and
//! what else is secret.
//!
//! # What the role of the program needs
//!
//! `ssm:PutParameter`, `ssm:GetParameter` and `ssm:DeleteParameter` on
//! `parameter<prefix>/*`, and `ssm:DescribeParameters` on `*`, because IAM knows
//! nothing smaller for it. With a [`KmsKey`](crate::KmsKey) of one's own also `kms:Encrypt` and
//! `kms:Decrypt` on that key.
//!
//! # What is not said
//!
//! No write names a tier: a new parameter gets the one that is the account's
//! default, and one that somebody made an advanced one stays so. A write names a
//! key only with [`SsmSecretStore::with_kms_key`]; without, AWS encrypts under
//! `alias/aws/ssm`, also what was under another key before.
//!
//! # What is in memory and in logs
//!
//! A text is wiped when its [`SecretString`](lunora_core::SecretString) goes; the
//! SDK makes copies for a request and from an answer, which nobody wipes.
//!
//! No text is in an error, in a `Debug`, or in what is traced here. None is in what
//! the SDK traces either, down to `TRACE`, but for one line: where AWS refuses a
//! call and quotes what it was sent, `aws_smithy_runtime::client::orchestrator`
//! traces `output_or_error=Err(…)` with those words. Who holds that target at
//! `DEBUG` is without it. The environment variables `LOG_SENSITIVE_BODIES` and
//! `LOG_SIGNABLE_BODY` make the SDK print bodies, and must not be set.
//!
//! # What the store does not promise
//!
//! AWS calls it eventually consistent: what was just written may not be shown for
//! a moment, and what was just deleted may be. A process reads its own writes of
//! single versions at once, because it holds them; for the rest, what is absent or
//! old is compared again by the next pass.

mod cache;
mod client;
mod error;
mod hash_key;
mod secret_store;

pub use secret_store::SsmSecretStore;
