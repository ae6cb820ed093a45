use lunora_core::domain::{Role, Token, TokenId};
use proptest::{option, prelude::*, sample::select};

use super::{digest, id, label, time};

/// Any token, of any role, with an end or without.
pub fn token() -> impl Strategy<Value = Token> {
    let times = (time(), option::of(time()));
    (token_id(), label(), select(Role::ALL), digest(), times).prop_map(
        |(id, label, role, digest, (created_at, expires_at))| Token {
            id,
            label,
            role,
            digest,
            created_at,
            expires_at,
        },
    )
}

fn token_id() -> impl Strategy<Value = TokenId> {
    id().prop_map(|text| text.parse().unwrap())
}
