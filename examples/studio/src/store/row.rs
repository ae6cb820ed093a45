use std::str::FromStr;

use jiff::Timestamp;
use lunora_core::port::{self, BoxError};
use rusqlite::{
    Row,
    types::{FromSql, ValueRef},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::error::Category;

/// A stored value that cannot be read, and where it is. It does not show the value.
#[derive(Debug, thiserror::Error)]
#[error("cannot read table {table}, key {key}, column {column}")]
pub(super) struct Unreadable {
    table: &'static str,
    key: String,
    column: &'static str,
    source: BoxError,
}

impl Unreadable {
    /// The same for a listing of things that have this name in messages.
    pub(super) fn named(self, noun: &'static str) -> port::Unreadable {
        let Self {
            key,
            column,
            source,
            ..
        } = self;
        port::Unreadable {
            noun,
            id: key,
            reason: format!("column {column}: {source}"),
        }
    }
}

/// The columns of one row, which say where they are when they cannot be read.
#[derive(Debug)]
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
        self.row.get(column).map_err(|error| {
            // What SQLite says can show the value.
            match self.row.get_ref(column) {
                Ok(found) => {
                    let found = found.data_type();
                    self.unreadable(column, format!("a value of type {found} does not fit"))
                }
                Err(_) => self.unreadable(column, error),
            }
        })
    }

    /// A number that counts up.
    pub(super) fn count(&self, column: &'static str) -> Result<u64, Unreadable> {
        self.get(column).map(i64::cast_unsigned)
    }

    /// A value of the domain, from its text; why there is none does not show the text.
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

    /// A time, from what [`stamp`] wrote.
    pub(super) fn time(&self, column: &'static str) -> Result<Timestamp, Unreadable> {
        let text: String = self.get(column)?;
        // What the parser says shows the text.
        let time = text.parse().ok();
        time.ok_or_else(|| self.unreadable(column, "it is no time"))
    }

    /// A time, or `None` where the column is null.
    pub(super) fn time_if_set(
        &self,
        column: &'static str,
    ) -> Result<Option<Timestamp>, Unreadable> {
        match self.get::<Option<String>>(column)? {
            None => Ok(None),
            Some(_) => self.time(column).map(Some),
        }
    }

    /// A value of the domain that is one of a few words, from what [`word`] wrote.
    pub(super) fn word<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, Unreadable> {
        let text: String = self.get(column)?;
        // What the parser says shows the word.
        let word = serde_json::from_value(text.into()).ok();
        word.ok_or_else(|| self.unreadable(column, "it is none of the words that are known"))
    }

    /// A value of the domain from what [`json`] wrote.
    pub(super) fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, Unreadable> {
        let text: String = self.get(column)?;
        let mut json = serde_json::Deserializer::from_str(&text);
        let value = serde_path_to_error::deserialize(&mut json)
            .map_err(|error| self.unreadable(column, misfit(&error)))?;
        let end = json.end();
        end.map_err(|_| self.unreadable(column, "something follows the JSON"))?;
        Ok(value)
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

/// The text of a value that is one of a few words.
pub(super) fn word(value: &impl Serialize) -> rusqlite::Result<String> {
    let word = serde_json::to_value(value).and_then(serde_json::from_value);
    word.map_err(unstorable)
}

/// The JSON of a value.
pub(super) fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(unstorable)
}

fn unstorable(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(error.into())
}

/// What is wrong with JSON, and where. What the parser says can show the value.
fn misfit(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let (path, what) = (error.path(), error.inner().to_string());
    match error.inner().classify() {
        Category::Data if what.starts_with("missing field `") => what,
        Category::Data => format!("what is at `{path}` does not fit"),
        _ => format!("it is no JSON, from line {} on", error.inner().line()),
    }
}
