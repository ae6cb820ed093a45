//! Whether a value is of its shape.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    schema::{Bounds, Location, Model, Reference, Shape, Structure, Text},
    violation::{Place, Violation},
};
use crate::aws::Service;

#[derive(Clone, Copy)]
pub(super) struct Check {
    pub(super) service: Service,
    pub(super) model: &'static Model,
}

impl Check {
    pub(super) fn of(service: Service) -> Self {
        Self {
            service,
            model: Model::of(service),
        }
    }

    fn fail(self, place: &Place<'_>, what: impl Into<String>) -> Violation {
        Violation::at(self.service, place, what)
    }

    pub(super) fn value(
        self,
        reference: &Reference,
        value: &Value,
        place: &Place<'_>,
    ) -> Result<(), Violation> {
        match (self.model.shape(reference), value) {
            (Shape::Structure(structure), Value::Object(members)) => {
                self.structure(structure, Location::Body, members, place)
            }
            (Shape::List { member }, Value::Array(items)) => items
                .iter()
                .enumerate()
                .try_for_each(|(index, item)| self.value(member, item, &Place::Item(place, index))),
            (Shape::Map { value }, Value::Object(entries)) => entries
                .values()
                .try_for_each(|entry| self.value(value, entry, &Place::Entry(place))),
            (Shape::String(text), Value::String(value)) => self.text(text, value, place),
            (Shape::Integer(bounds), Value::Number(_)) => {
                let whole = value.as_i64().filter(|whole| i32::try_from(*whole).is_ok());
                self.whole(bounds, whole, place)
            }
            (Shape::Long(bounds), Value::Number(_)) => self.whole(bounds, value.as_i64(), place),
            (Shape::Double(bounds), Value::Number(_)) => self.double(bounds, value.as_f64(), place),
            (Shape::Boolean, Value::Bool(_)) => Ok(()),
            (Shape::Timestamp, Value::String(value)) => match value.parse::<Timestamp>() {
                Ok(_) => Ok(()),
                Err(_) => Err(self.fail(place, "not a time as ISO 8601 writes it")),
            },
            (shape, _) => Err(self.fail(place, format!("not {}", shape.article()))),
        }
    }

    /// The members of a structure that stand in one location.
    pub(super) fn structure(
        self,
        structure: &Structure,
        location: Location,
        members: &Map<String, Value>,
        place: &Place<'_>,
    ) -> Result<(), Violation> {
        for (name, value) in members {
            let known = structure
                .member(name)
                .filter(|member| member.reference.location == location);
            let Some(member) = known else {
                return Err(self.fail(place, self.unknown(name)));
            };
            self.value(member.reference, value, &Place::Member(place, member.name))?;
        }
        for member in structure
            .members()
            .filter(|member| member.reference.location == location)
        {
            if member.is_required && !members.contains_key(member.name) {
                return Err(self.fail(&Place::Member(place, member.name), "required, and missing"));
            }
        }
        if structure.union && members.len() != 1 {
            return Err(self.fail(
                place,
                format!("exactly one member may be there, and {} are", members.len()),
            ));
        }
        Ok(())
    }

    /// A name that is in the model somewhere is shown: it cannot be a secret.
    fn unknown(self, name: &str) -> String {
        if self.model.knows(name) {
            format!("has no member {name} here")
        } else {
            "has a member that the model does not know".to_owned()
        }
    }

    fn text(self, text: &Text, value: &str, place: &Place<'_>) -> Result<(), Violation> {
        if text
            .one_of
            .as_ref()
            .is_some_and(|names| !names.iter().any(|name| name == value))
        {
            return Err(self.fail(place, "not a value of the enum"));
        }
        if text
            .pattern
            .as_ref()
            .is_some_and(|pattern| !pattern.is_match(value))
        {
            return Err(self.fail(place, "does not match the pattern"));
        }
        let length = value.chars().count();
        if text.min.is_some_and(|min| length < min) {
            return Err(self.fail(place, "too short"));
        }
        if text.max.is_some_and(|max| length > max) {
            return Err(self.fail(place, "too long"));
        }
        Ok(())
    }

    fn whole(
        self,
        bounds: &Bounds,
        value: Option<i64>,
        place: &Place<'_>,
    ) -> Result<(), Violation> {
        let Some(value) = value else {
            return Err(self.fail(place, "not a whole number, or too large"));
        };
        if bounds.min.is_some_and(|min| value < min) {
            return Err(self.fail(place, "below the minimum"));
        }
        if bounds.max.is_some_and(|max| value > max) {
            return Err(self.fail(place, "above the maximum"));
        }
        Ok(())
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "no bound of a double is that large"
    )]
    fn double(
        self,
        bounds: &Bounds,
        value: Option<f64>,
        place: &Place<'_>,
    ) -> Result<(), Violation> {
        let Some(value) = value else {
            return Err(self.fail(place, "not a number"));
        };
        if bounds.min.is_some_and(|min| value < min as f64) {
            return Err(self.fail(place, "below the minimum"));
        }
        if bounds.max.is_some_and(|max| value > max as f64) {
            return Err(self.fail(place, "above the maximum"));
        }
        Ok(())
    }
}

impl Shape {
    fn article(&self) -> &'static str {
        match self {
            Self::Structure(_) => "a structure",
            Self::List { .. } => "a list",
            Self::Map { .. } => "a map",
            Self::String(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Long(_) => "a long",
            Self::Double(_) => "a double",
            Self::Boolean => "a boolean",
            Self::Timestamp => "a time",
        }
    }
}
