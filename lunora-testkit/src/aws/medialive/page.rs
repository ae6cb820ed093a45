use serde_json::{Map, Value};

use super::{bad_request, ok};
use crate::aws::wire::{Refusal, Reply};

/// How many come at once where nobody says.
const DEFAULT: u64 = 20;

/// One page of a list, whose items have unique keys. A token names the last key of the
/// page before, and works as long as that item is there.
pub(super) fn page(
    input: &Value,
    member: &str,
    all: Vec<(String, Value)>,
) -> Result<Reply, Refusal> {
    let size = input["maxResults"].as_u64();
    let size = match size.unwrap_or(DEFAULT) {
        size @ 1..=1000 => usize::try_from(size).unwrap_or(usize::MAX),
        _ => return Err(bad_request("maxResults is from 1 to 1000")),
    };
    if input.get("maxResults").is_some_and(|size| !size.is_u64()) {
        return Err(bad_request("maxResults is from 1 to 1000"));
    }
    let from = match input["nextToken"].as_str() {
        None => 0,
        Some(token) => all
            .iter()
            .position(|(key, _)| token_of(key) == token)
            .map(|last| last + 1)
            .ok_or_else(|| bad_request("nextToken is none of ours"))?,
    };
    let rest = all.len() - from;
    let on_page: Vec<_> = all.into_iter().skip(from).take(size).collect();
    let mut body = Map::new();
    if size < rest
        && let Some((key, _)) = on_page.last()
    {
        body.insert("nextToken".to_owned(), token_of(key).into());
    }
    let values: Vec<_> = on_page.into_iter().map(|(_, value)| value).collect();
    body.insert(member.to_owned(), values.into());
    ok(body)
}

fn token_of(key: &str) -> String {
    format!("after/{key}")
}
