use std::time::Duration;

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use lunora_core::{
    domain::HashKey,
    port::{ErrorKind, PortError},
};
use tokio::time::sleep;

use crate::{
    Tables,
    dynamodb::stored::{self, Expression, Item},
    ssm::SsmSecretStore,
};

const OPERATION: &str = "get the hash key of the deployment";
const PK: (&str, &str) = ("pk", "deployment");
const SK: (&str, &str) = ("sk", "hash_key");
const WITNESS: &str = "witness";
/// What the witness is the digest of.
const HASHED: &[u8] = b"the hash key of a Lunora deployment";
/// How often the parameter is asked for that has to be there: the store may take a
/// moment to show it.
const LOOKS: u32 = 4;
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// The key that this deployment hashes its secrets under, for the repos of
/// [`dynamodb`](crate::dynamodb) and what else compares secrets.
///
/// It is kept in the parameter `<prefix>/deployment/hash_key` and made by the first
/// who asks. What is stored depends on it for ever after, so a witness of it, its
/// digest of a text that everybody knows, stands in the control table under
/// `deployment`, `hash_key`. A parameter that is lost or replaced is
/// [`Corrupt`](ErrorKind::Corrupt), and no other key is made in its place: put the
/// value back, from the history of the parameter or a copy.
///
/// Without a copy, the digests that are stored are of no use any more. Who deletes
/// the witness, too, has a new key made, and every secret then looks changed once:
/// all of them have to be entered again.
pub async fn deployment_hash_key(
    parameters: &SsmSecretStore,
    dynamodb: &Client,
    tables: &Tables,
) -> Result<HashKey, PortError> {
    let corrupt = |problem: Problem| {
        PortError::new(
            ErrorKind::Corrupt,
            OPERATION,
            parameters.hash_key_parameter(),
        )
        .with_source(problem)
    };
    let witness = witness(dynamodb, tables).await?;
    let mut key = parameters.stored_hash_key().await?;
    if witness.is_some() {
        for _ in 1..LOOKS {
            if key.is_some() {
                break;
            }
            sleep(BETWEEN_LOOKS).await;
            key = parameters.stored_hash_key().await?;
        }
    }
    let (key, witness) = match (key, witness) {
        (None, Some(_)) => return Err(corrupt(Problem::Lost)),
        (Some(key), Some(witness)) => (key, witness),
        (key, None) => {
            let key = match key {
                Some(key) => key,
                None => parameters.hash_key().await?,
            };
            let witness = bear_witness(dynamodb, tables, &key).await?;
            (key, witness)
        }
    };
    if witness == witness_of(&key) {
        Ok(key)
    } else {
        Err(corrupt(Problem::Replaced))
    }
}

fn witness_of(key: &HashKey) -> AttributeValue {
    AttributeValue::S(key.digest([HASHED]).to_string())
}

fn place() -> Item {
    [PK, SK]
        .map(|(name, text)| (name.to_owned(), AttributeValue::S(text.to_owned())))
        .into()
}

fn in_item(item: &Item) -> AttributeValue {
    // A row without one is a witness against every key.
    let there = item.get(WITNESS).cloned();
    there.unwrap_or(AttributeValue::Null(true))
}

async fn witness(dynamodb: &Client, tables: &Tables) -> Result<Option<AttributeValue>, PortError> {
    let call = dynamodb.get_item().table_name(tables.control.as_str());
    let call = call.set_key(Some(place())).consistent_read(true);
    let answer = call.send().await.map_err(|error| {
        stored::failed("GetItem", OPERATION, "the witness of the hash key", &error)
    })?;
    Ok(answer.item.as_ref().map(in_item))
}

/// Writes the witness, unless there is one; returns the one that is there then.
async fn bear_witness(
    dynamodb: &Client,
    tables: &Tables,
    key: &HashKey,
) -> Result<AttributeValue, PortError> {
    let mut expression = Expression::default();
    let condition = expression.is(PK.0, None);
    let ours = witness_of(key);
    let mut item = place();
    item.insert(WITNESS.to_owned(), ours.clone());
    let call = dynamodb.put_item().table_name(tables.control.as_str());
    let call = call
        .set_item(Some(item))
        .condition_expression(condition)
        .set_expression_attribute_names(expression.names());
    match call.send().await {
        Ok(_) => Ok(ours),
        Err(error) if stored::is_refused(&error) => {
            // Somebody was faster, or an attempt of ours whose answer was lost.
            let there = witness(dynamodb, tables).await?;
            Ok(there.unwrap_or(AttributeValue::Null(true)))
        }
        Err(error) => {
            let subject = "the witness of the hash key";
            Err(stored::failed("PutItem", OPERATION, subject, &error))
        }
    }
}

/// What became of the parameter.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Problem {
    #[error(
        "the parameter is gone, and what is stored was hashed under the key in it; put its value \
         back from a copy. Without one, delete the row deployment/hash_key of the control table \
         to have a new key made, and enter every secret again"
    )]
    Lost,
    #[error(
        "the parameter has another key than the one that everything stored was hashed under; put \
         back the value of an earlier version of it, or from a copy. Without one, delete the row \
         deployment/hash_key of the control table to go on with this key, and enter every secret \
         again"
    )]
    Replaced,
}
