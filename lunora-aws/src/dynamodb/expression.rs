use std::collections::HashMap;

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    types::AttributeValue,
};

use super::attribute::Item;

/// The names and values that an expression of DynamoDB refers to.
///
/// Every name is a placeholder: `name`, `status`, `enabled` and 570 other words
/// are reserved, and AWS adds to them.
#[derive(Default)]
pub(crate) struct Expression {
    names: HashMap<String, String>,
    values: Item,
}

impl Expression {
    /// What stands for the name.
    pub(crate) fn name(&mut self, attribute: &str) -> String {
        let there = self.names.iter().find(|(_, name)| *name == attribute);
        if let Some((placeholder, _)) = there {
            return placeholder.clone();
        }
        let placeholder = format!("#n{}", self.names.len());
        self.names.insert(placeholder.clone(), attribute.to_owned());
        placeholder
    }

    /// What stands for the value.
    pub(crate) fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    /// That the attribute is exactly this, or is not there.
    pub(crate) fn is(&mut self, attribute: &str, value: Option<&AttributeValue>) -> String {
        let name = self.name(attribute);
        match value {
            None => format!("attribute_not_exists({name})"),
            // NULL is a type, and nothing is documented to be equal to it.
            Some(AttributeValue::Null(_)) => {
                let kind = self.value(AttributeValue::S("NULL".to_owned()));
                format!("attribute_type({name}, {kind})")
            }
            Some(value) => {
                let value = self.value(value.clone());
                format!("{name} = {value}")
            }
        }
    }

    /// That the attribute is there.
    pub(crate) fn exists(&mut self, attribute: &str) -> String {
        format!("attribute_exists({})", self.name(attribute))
    }

    /// The names, for a request; it must have none rather than an empty map.
    pub(crate) fn names(&self) -> Option<HashMap<String, String>> {
        Some(self.names.clone()).filter(|names| !names.is_empty())
    }

    /// The values, for a request; it must have none rather than an empty map.
    pub(crate) fn values(&self) -> Option<Item> {
        Some(self.values.clone()).filter(|values| !values.is_empty())
    }
}

/// Whether nothing was written because the condition did not hold.
pub(crate) fn is_refused<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code() == Some("ConditionalCheckFailedException")
}
