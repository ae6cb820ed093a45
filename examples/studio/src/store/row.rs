use std::str::FromStr;

use jiff::Timestamp;
use lunora_core::port::BoxError;
use rusqlite::{
    Row,
    types::{FromSql, ValueRef},
};
use serde::{Serialize, de::DeserializeOwned};

/// A stored value that cannot be read, and where it is. It does not show the value.
#[derive(Debug, thiserror::Error)]
#[error("cannot read table {table}, key {key}, column {column}")]
pub(super) struct Unreadable {
    table: &'static str,
    key: String,
    column: &'static str,
    source: BoxError,
}

/// The columns of one row, which say where they are when they cannot be read.
pub(super) struct Fields<'row> {
    table: &'static str,
    key: String,
    row: &'row Row<'row>,
}

impl<'row> Fields<'row> {
    /// Reads a row of the table, whose primary key is the column.
    pub(super) fn new(
        table: &'static str,
        key: &str,
        row: &'row Row<'row>,
    ) -> rusqlite::Result<Self> {
        let key = match row.get_ref(key)? {
            ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
            ValueRef::Integer(number) => number.to_string(),
            other => format!("of type {}", other.data_type()),
        };
        Ok(Self { table, key, row })
    }

    /// A value as SQLite has it.
    pub(super) fn get<T: FromSql>(&self, column: &'static str) -> Result<T, Unreadable> {
        self.row
            .get(column)
            .map_err(|error| self.unreadable(column, error))
    }

    /// A number that counts up.
    pub(super) fn count(&self, column: &'static str) -> Result<u64, Unreadable> {
        self.get(column).map(i64::cast_unsigned)
    }

    /// A value of the domain, from its text.
    pub(super) fn parse<T>(&self, column: &'static str) -> Result<T, Unreadable>
    where
        T: FromStr<Err: Into<BoxError>>,
    {
        let text: String = self.get(column)?;
        text.parse().map_err(|error| self.unreadable(column, error))
    }

    /// A value of the domain, from its text, or `None` where the column is null.
    pub(super) fn parse_if_set<T>(&self, column: &'static str) -> Result<Option<T>, Unreadable>
    where
        T: FromStr<Err: Into<BoxError>>,
    {
        match self.get::<Option<String>>(column)? {
            None => Ok(None),
            Some(_) => self.parse(column).map(Some),
        }
    }

    /// A value of the domain that is one of a few words.
    pub(super) fn word<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, Unreadable> {
        let text: String = self.get(column)?;
        serde_json::from_value(text.into()).map_err(|error| self.unreadable(column, error))
    }

    /// A value of the domain from its JSON.
    pub(super) fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, Unreadable> {
        let text: String = self.get(column)?;
        serde_json::from_str(&text).map_err(|error| self.unreadable(column, error))
    }

    /// Says that what is in the column is of no use.
    pub(super) fn unreadable(
        &self,
        column: &'static str,
        source: impl Into<BoxError>,
    ) -> Unreadable {
        Unreadable {
            table: self.table,
            key: self.key.clone(),
            column,
            source: source.into(),
        }
    }
}

/// The text of a time; texts sort as the times do.
pub(super) fn stamp(time: Timestamp) -> String {
    format!("{time:.9}")
}

/// The text of a value that is one of a few words; [`Fields::word`] reads it.
pub(super) fn word(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_value(value).and_then(serde_json::from_value)
}
