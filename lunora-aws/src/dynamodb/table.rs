//! One table, or one kind of rows in the control table.

use std::fmt;

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use lunora_core::{
    domain::HashKey,
    port::{
        ErrorKind, Expect, Page, PageRequest, PageToken, PortError, Revision, Unreadable, Versioned,
    },
};

use super::{
    attribute::{BadAttribute, Item, id_text},
    change::{Change, Refusal},
    client::{discreet, unlogged},
    error::failed,
    expression::{Expression, is_refused},
    page_token,
    revision::{Knowledge, OWN_REVISION, own_revision},
    row::{Edits, Guard, Part, Place, Row},
};
use crate::TableName;

/// Keeps the values of one kind: the whole of the `Repo` port.
///
/// Clients that know nothing of Lunora write the same rows, one attribute or a
/// whole row at a time, and unconditionally. So (rules 16 and 17):
///
/// - Our own writers exclude each other by [`OWN_REVISION`], exactly.
/// - A change writes the attributes that the caller changed and no others, in
///   one `UpdateItem`, on the condition that they are as the caller read them.
/// - What is not written is neither conditioned on nor touched, known or not.
pub(super) struct Table<R: Row> {
    client: Client,
    name: TableName,
    codec: R::Codec,
    hash_key: HashKey,
}

/// How often a write looks again because something else of the row changed in between.
const TRIES_MAX: usize = 8;
/// The most rows of one page; 1 MB ends a page as well.
const PAGE_MAX: u32 = 1_000;

impl<R: Row> Table<R> {
    pub(super) fn new(client: Client, name: TableName, codec: R::Codec, hash_key: HashKey) -> Self {
        Self {
            client: discreet(&client),
            name,
            codec,
            hash_key,
        }
    }

    pub(super) const fn codec(&self) -> &R::Codec {
        &self.codec
    }

    pub(super) async fn get(&self, id: &R::Id) -> Result<Option<Versioned<R>>, PortError> {
        let Some(item) = self.item(id).await? else {
            return Ok(None);
        };
        let read = self.read(id, &item);
        read.map(Some).map_err(|bad| self.corrupt(id, bad))
    }

    pub(super) async fn put(&self, value: &R, expect: Expect) -> Result<Revision, PortError> {
        match expect {
            Expect::Absent => self.create(value).await,
            Expect::Revision(revision) => self.change(value, &revision).await,
        }
    }

    /// Reads the row as it is stored, strongly.
    pub(super) async fn item(&self, id: &R::Id) -> Result<Option<Item>, PortError> {
        let call = self.client.get_item().table_name(self.name.as_str());
        let call = call.set_key(Some(R::PLACE.key(&id.to_string())));
        let answer = unlogged(call.consistent_read(true).send()).await;
        let answer =
            answer.map_err(|error| failed("GetItem", "read", Self::subject(id), &error))?;
        Ok(answer.item)
    }

    async fn create(&self, value: &R) -> Result<Revision, PortError> {
        let (id, own) = (value.id(), mint()?);
        let canonical = value.encode(&self.codec);
        let knowledge = Knowledge::of::<R>(Some(own.clone()), id, &canonical, &self.hash_key);
        let mut item = value.born_with();
        item.extend(canonical);
        item.extend(R::PLACE.key(&id.to_string()));
        item.insert(OWN_REVISION.to_owned(), AttributeValue::S(own.clone()));

        let mut expression = Expression::default();
        let condition = expression.is(R::PLACE.id_attribute(), None);
        let call = self.client.put_item().table_name(self.name.as_str());
        let call = call.set_item(Some(item)).condition_expression(condition);
        let call = call.set_expression_attribute_names(expression.names());
        match call.send().await {
            Ok(_) => Ok(knowledge.as_revision()),
            Err(error) if is_refused(&error) => {
                // The SDK sends again when a reply is lost, and then meets its own row.
                let there = self.item(id).await?;
                if there.as_ref().and_then(own_revision) == Some(own) {
                    return Ok(knowledge.as_revision());
                }
                Err(Self::conflict("store", id))
            }
            Err(error) => Err(failed("PutItem", "store", Self::subject(id), &error)),
        }
    }

    async fn change(&self, value: &R, revision: &Revision) -> Result<Revision, PortError> {
        let (id, own) = (value.id(), mint()?);
        let Some(known) = Knowledge::read::<R>(revision) else {
            return Err(Self::conflict("store", id));
        };
        let change = Change::new(value, &known, &self.codec, &self.hash_key);
        // What the caller will know: its own value, and not what others wrote beside it.
        let result = change.result(own.clone());
        for _ in 0..TRIES_MAX {
            let Some(item) = self.item(id).await? else {
                return Err(Self::conflict("store", id));
            };
            let there = own_revision(&item);
            if there.as_ref() == Some(&own) {
                // It was written, and the reply was lost.
                return Ok(result);
            }
            if there != known.own {
                return Err(Self::conflict("store", id));
            }
            let edits = change.of(&item).map_err(|refusal| match refusal {
                Refusal::Conflict => Self::conflict("store", id),
                Refusal::Corrupt(bad) => self.corrupt(id, bad),
                Refusal::Unstorable(part) => {
                    let error = PortError::new(ErrorKind::Invalid, "store", Self::subject(id));
                    error.with_source(part)
                }
            })?;
            if self.update(id, &item, edits, change.parts(), &own).await? {
                return Ok(result);
            }
        }
        Err(Self::conflict("store", id))
    }

    /// Writes, unless the row changed since; says whether it did.
    async fn update(
        &self,
        id: &R::Id,
        item: &Item,
        edits: Edits,
        parts: impl Iterator<Item = &'static Part>,
        own: &str,
    ) -> Result<bool, PortError> {
        let mut expression = Expression::default();
        let condition = Self::condition(&mut expression, item, parts);
        let own = AttributeValue::S(own.to_owned());
        let (name, value) = (expression.name(OWN_REVISION), expression.value(own));
        let (mut set, mut remove) = (vec![format!("{name} = {value}")], Vec::new());
        for (attribute, value) in edits {
            let name = expression.name(attribute);
            match value {
                None => remove.push(name),
                Some(value) => set.push(format!("{name} = {}", expression.value(value))),
            }
        }
        let mut update = format!("SET {}", set.join(", "));
        if !remove.is_empty() {
            update = format!("{update} REMOVE {}", remove.join(", "));
        }

        let call = self.client.update_item().table_name(self.name.as_str());
        let call = call.set_key(Some(R::PLACE.key(&id.to_string())));
        let call = call
            .update_expression(update)
            .condition_expression(condition);
        let call = call.set_expression_attribute_names(expression.names());
        let call = call.set_expression_attribute_values(expression.values());
        match call.send().await {
            Ok(_) => Ok(true),
            Err(error) if is_refused(&error) => Ok(false),
            Err(error) => Err(failed("UpdateItem", "store", Self::subject(id), &error)),
        }
    }

    /// That nobody of ours wrote since, and nobody at all these parts.
    fn condition(
        expression: &mut Expression,
        item: &Item,
        parts: impl Iterator<Item = &'static Part>,
    ) -> String {
        let mut all = vec![
            expression.exists(R::PLACE.id_attribute()),
            expression.is(OWN_REVISION, item.get(OWN_REVISION)),
        ];
        let guarded = parts.filter(|part| part.guard == Guard::Guarded);
        for name in guarded.flat_map(|part| part.attributes) {
            all.push(expression.is(name, item.get(*name)));
        }
        all.join(" AND ")
    }

    pub(super) async fn remove(&self, id: &R::Id, revision: &Revision) -> Result<(), PortError> {
        let conflict = || Self::conflict("remove", id);
        let known = Knowledge::read::<R>(revision).ok_or_else(conflict)?;
        for _ in 0..TRIES_MAX {
            let item = self.item(id).await?.ok_or_else(conflict)?;
            let read = R::decode(id, &item, &self.codec).map_err(|bad| self.corrupt(id, bad))?;
            let own = own_revision(&item);
            let canonical = read.encode(&self.codec);
            let now = Knowledge::of::<R>(own, id, &canonical, &self.hash_key);
            let hashes = now.parts.iter().zip(&known.parts);
            let same = |(part, (now, known)): (&Part, (&String, &String))| {
                part.guard == Guard::Stamp || now == known
            };
            if now.own != known.own || !R::PARTS.iter().zip(hashes).all(same) {
                return Err(conflict());
            }
            let mut expression = Expression::default();
            let condition = Self::condition(&mut expression, &item, R::PARTS.iter());
            let call = self.client.delete_item().table_name(self.name.as_str());
            let call = call.set_key(Some(R::PLACE.key(&id.to_string())));
            let call = call.condition_expression(condition);
            let call = call.set_expression_attribute_names(expression.names());
            let call = call.set_expression_attribute_values(expression.values());
            match call.send().await {
                Ok(_) => return Ok(()),
                // Another form of the same value is no change; it is looked at again.
                Err(error) if is_refused(&error) => {}
                Err(error) => {
                    return Err(failed("DeleteItem", "remove", Self::subject(id), &error));
                }
            }
        }
        Err(conflict())
    }

    pub(super) async fn list(&self, page: PageRequest) -> Result<Page<Versioned<R>>, PortError> {
        let start = page.after.as_ref().map(|token| self.key_of(token));
        let start = start.transpose()?.map(|id| R::PLACE.key(&id));
        // There is no page of nothing; and DynamoDB ends one at 1 MB anyway.
        let limit = page.limit.clamp(1, PAGE_MAX) as i32;
        let (found, last) = match R::PLACE {
            Place::Own { .. } => self.scan(limit, start).await?,
            Place::Control { pk } => self.query(pk, limit, start).await?,
        };
        let mut page = Page {
            items: Vec::new(),
            unreadable: Vec::new(),
            next: None,
        };
        for item in found {
            let text = id_text(&item, R::PLACE.id_attribute());
            let read = match text.parse() {
                Ok(id) => self.read(&id, &item),
                Err(_) => Err(BadAttribute::new(R::PLACE.id_attribute(), "an id")),
            };
            match read {
                Ok(row) => page.items.push(row),
                Err(bad) => page.unreadable.push(Unreadable {
                    noun: R::NOUN,
                    id: text,
                    reason: bad.to_string(),
                }),
            }
        }
        // A page may be empty and not the last one.
        page.next = last.map(|key| {
            let key = id_text(&key, R::PLACE.id_attribute());
            page_token::after(&key, &self.listing(), &self.hash_key)
        });
        Ok(page)
    }

    async fn scan(
        &self,
        limit: i32,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), PortError> {
        let call = self.client.scan().table_name(self.name.as_str());
        let call = call.consistent_read(true).limit(limit);
        let answer = unlogged(call.set_exclusive_start_key(start).send()).await;
        let answer = answer.map_err(|error| failed("Scan", "list", self.all(), &error))?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key))
    }

    async fn query(
        &self,
        pk: &str,
        limit: i32,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), PortError> {
        let mut expression = Expression::default();
        let pk = AttributeValue::S(pk.to_owned());
        let condition = expression.is(Place::PK, Some(&pk));
        let call = self.client.query().table_name(self.name.as_str());
        let call = call.consistent_read(true).limit(limit);
        let call = call.key_condition_expression(condition);
        let call = call.set_expression_attribute_names(expression.names());
        let call = call.set_expression_attribute_values(expression.values());
        let answer = unlogged(call.set_exclusive_start_key(start).send()).await;
        let answer = answer.map_err(|error| failed("Query", "list", self.all(), &error))?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key))
    }

    fn read(&self, id: &R::Id, item: &Item) -> Result<Versioned<R>, BadAttribute> {
        let value = R::decode(id, item, &self.codec)?;
        let canonical = value.encode(&self.codec);
        let own = own_revision(item);
        let knowledge = Knowledge::of::<R>(own, id, &canonical, &self.hash_key);
        let revision = knowledge.as_revision();
        Ok(Versioned { value, revision })
    }

    fn key_of(&self, token: &PageToken) -> Result<String, PortError> {
        page_token::key_of(token, &self.listing(), &self.hash_key).ok_or_else(|| {
            let subject = format_args!("{} after a foreign token", self.all());
            PortError::new(ErrorKind::Invalid, "list", subject)
        })
    }

    fn listing(&self) -> [&str; 2] {
        [self.name.as_str(), R::NOUN]
    }

    fn all(&self) -> String {
        format!("the rows `{}` of table {}", R::NOUN, self.name)
    }

    fn subject(id: &R::Id) -> String {
        format!("{} {id}", R::NOUN)
    }

    fn conflict(operation: &'static str, id: &R::Id) -> PortError {
        PortError::new(ErrorKind::Conflict, operation, Self::subject(id))
    }

    fn corrupt(&self, id: &R::Id, bad: BadAttribute) -> PortError {
        let subject = format_args!("{} {id} of table {}", R::NOUN, self.name);
        PortError::new(ErrorKind::Corrupt, "read", subject).with_source(bad)
    }
}

impl<R: Row> Clone for Table<R> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            name: self.name.clone(),
            codec: self.codec.clone(),
            hash_key: self.hash_key.clone(),
        }
    }
}

impl<R: Row> fmt::Debug for Table<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Table");
        debug.field("rows", &R::NOUN).field("name", &self.name);
        debug.finish_non_exhaustive()
    }
}

/// A text that no other write of any row has.
///
/// It does not come from an `IdSource`: two processes whose sources begin alike
/// would take each other's writes for their own.
pub(super) fn mint() -> Result<String, PortError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        let subject = "random bytes for a revision";
        PortError::new(ErrorKind::Unexpected, "draw", subject).with_source(error)
    })?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
