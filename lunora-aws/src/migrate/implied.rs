//! What a row means by not saying it.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::dynamodb::stored::Item;

/// Attributes and the values that they are to have.
pub(super) type Values = BTreeMap<String, AttributeValue>;

/// What every destination without the attribute means: it is delivered by the
/// old system (rule 13), has no automatic failover, and uses its primary leg.
///
/// The other attributes that the mission adds mean nothing where they are
/// missing, and old readers want `NULL` in none of them; so they stay missing.
pub(super) fn of_a_destination() -> Values {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    Values::from([
        ("output_type".to_owned(), text("medialive")),
        ("failover_enabled".to_owned(), AttributeValue::Bool(false)),
        ("current_active_url".to_owned(), text("primary")),
    ])
}

/// Those that the row does not have. A `NULL` is a value that somebody wrote.
pub(super) fn missing_in(item: &Item) -> Values {
    let mut values = of_a_destination();
    values.retain(|name, _| !item.contains_key(name));
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_added_and_null_is_not_missing() {
        let item = Item::from([
            ("output_type".to_owned(), AttributeValue::Null(true)),
            (
                "failover_enabled".to_owned(),
                AttributeValue::S("odd".to_owned()),
            ),
        ]);
        let names: Vec<_> = missing_in(&item).into_keys().collect();
        assert_eq!(names, ["current_active_url"]);
        assert_eq!(missing_in(&Item::new()), of_a_destination());
    }
}
