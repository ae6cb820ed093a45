//! One leg of a destination, in the eight attributes of its row.
//!
//! An old client writes two of them: the whole push URL, and the name of the
//! parameter that holds the stream key. Its URL may hold secrets, or the key
//! itself; such a text stays where it is until the leg gets another one, and a
//! row read here refers to it as a secret that nobody has read. What the URL of
//! a row of ours hides is in the secret store, and the row says which version of
//! it, and of which URL it is the rest. Should an old client write another URL,
//! that rest is of no use any more, and goes with the next change of the leg.
//!
//! The parts of a leg are guarded together: a key is for one address.

use aws_sdk_dynamodb::types::AttributeValue;
use lunora_core::{
    ExposeSecret, SecretString,
    domain::{
        DestinationId, Edit, Endpoint, HashKey, KeyInput, Leg, PushAddress, PushUrl, SecretName,
        SecretRef, SecretVersion,
    },
};

use super::{
    attribute::{BadAttribute, Item, count, from_count, from_text, parsed, there, words},
    row::{Edits, Part},
};

/// The attributes of one leg.
#[derive(Clone, Copy, Debug)]
pub(super) struct LegAttributes {
    leg: Leg,
    url: &'static str,
    tail: RefAttributes,
    /// The URL text that the tail belongs to.
    tail_of: &'static str,
    key_param: &'static str,
    key: RefAttributes,
}

/// The two attributes of a reference to a secret.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefAttributes {
    pub(super) version: &'static str,
    pub(super) digest: &'static str,
}

impl RefAttributes {
    pub(super) fn read(self, item: &Item) -> Option<SecretRef> {
        Some(SecretRef {
            version: SecretVersion(count(item, self.version)?),
            digest: parsed(item, self.digest)?,
        })
    }

    pub(super) fn write(
        self,
        to: Option<&SecretRef>,
    ) -> [(&'static str, Option<AttributeValue>); 2] {
        [
            (self.version, to.map(|to| from_count(to.version.0))),
            (self.digest, to.map(|to| from_text(to.digest))),
        ]
    }
}

/// What it takes to read and write a leg.
#[derive(Clone, Copy, Debug)]
pub(super) struct LegCodec<'a> {
    pub(super) id: &'a DestinationId,
    pub(super) prefix: &'a str,
    pub(super) hash_key: &'a HashKey,
}

/// A leg as it is stored.
struct Found {
    url: PushUrl,
    /// Whether the text has the mask where its tail would be.
    is_masked: bool,
    tail: Hidden,
    key: Hidden,
}

/// Where a secret of a leg is.
enum Hidden {
    Nowhere,
    /// In the URL itself.
    InUrl(SecretString),
    /// In the secret store.
    Kept(SecretRef),
}

/// The text of a URL, and the secrets that stand in it.
#[derive(Default)]
struct Inline<'a> {
    tail: Option<&'a SecretString>,
    key: Option<&'a SecretString>,
}

impl LegAttributes {
    pub(super) const PRIMARY: Self = Self {
        leg: Leg::Primary,
        url: "rtmp_url",
        tail: RefAttributes {
            version: "url_tail_version",
            digest: "url_tail_digest",
        },
        tail_of: "url_tail_of",
        key_param: "stream_key_param",
        key: RefAttributes {
            version: "stream_key_version",
            digest: "stream_key_digest",
        },
    };
    pub(super) const BACKUP: Self = Self {
        leg: Leg::Backup,
        url: "backup_rtmp_url",
        tail: RefAttributes {
            version: "backup_url_tail_version",
            digest: "backup_url_tail_digest",
        },
        tail_of: "backup_url_tail_of",
        key_param: "backup_stream_key_param",
        key: RefAttributes {
            version: "backup_stream_key_version",
            digest: "backup_stream_key_digest",
        },
    };
    pub(super) const OF_PRIMARY: &'static [&'static str] = &Self::PRIMARY.all();
    pub(super) const OF_BACKUP: &'static [&'static str] = &Self::BACKUP.all();

    pub(super) const fn of(leg: Leg) -> Self {
        match leg {
            Leg::Primary => Self::PRIMARY,
            Leg::Backup => Self::BACKUP,
        }
    }

    pub(super) fn is_part(self, part: &Part) -> bool {
        part.name() == self.url
    }

    const fn all(self) -> [&'static str; 7] {
        [
            self.url,
            self.tail.version,
            self.tail.digest,
            self.tail_of,
            self.key_param,
            self.key.version,
            self.key.digest,
        ]
    }

    fn key_name(self, id: &DestinationId) -> SecretName {
        SecretName::StreamKey(id.clone(), self.leg)
    }

    /// Refuses what would be taken for none by [`read`](Self::read), or for a URL
    /// without a hidden part, and is neither.
    pub(super) fn check(self, item: &Item, codec: LegCodec<'_>) -> Result<(), BadAttribute> {
        for name in [self.url, self.key_param] {
            if there(item, name).is_some_and(|value| !value.is_s()) {
                return Err(BadAttribute::new(name, "a text"));
            }
        }
        if words(item, self.url).is_none() {
            return Ok(());
        }
        let found = self.find(item, codec);
        let found = found.ok_or(BadAttribute::new(self.url, "a push URL"))?;
        if found.is_masked && matches!(found.tail, Hidden::Nowhere) {
            let expected = "a push URL whose hidden part is known";
            return Err(BadAttribute::new(self.url, expected));
        }
        Ok(())
    }

    /// The leg, if it has a URL that can be used.
    ///
    /// One that nobody can push to, such as `http://…`, is as none: the row stays
    /// visible, can be mended and deleted, and the text stays until then.
    pub(super) fn read(self, item: &Item, codec: LegCodec<'_>) -> Option<Endpoint> {
        let found = self.find(item, codec)?;
        let refer = |hidden: &Hidden| match hidden {
            Hidden::Nowhere => None,
            Hidden::InUrl(text) => Some(inline_ref(text, codec.hash_key)),
            Hidden::Kept(kept) => Some(*kept),
        };
        Some(Endpoint {
            tail: refer(&found.tail),
            key: refer(&found.key),
            url: found.url,
        })
    }

    /// The secrets of the leg that stand in its URL.
    pub(super) fn inline(self, item: &Item, codec: LegCodec<'_>) -> InlineTexts {
        let text = |hidden| match hidden {
            Hidden::InUrl(text) => Some(text),
            Hidden::Nowhere | Hidden::Kept(_) => None,
        };
        match self.find(item, codec) {
            None => InlineTexts::default(),
            Some(found) => InlineTexts {
                tail: text(found.tail),
                key: text(found.key),
            },
        }
    }

    fn find(self, item: &Item, codec: LegCodec<'_>) -> Option<Found> {
        let text = words(item, self.url)?;
        let has_param = words(item, self.key_param).is_some();
        let tail_is_ours = words(item, self.tail_of) == Some(text);
        let kept_tail = self.tail.read(item).filter(|_| tail_is_ours);
        let masked = PushAddress::parse(text, KeyInput::Masked);
        let is_masked = masked.is_ok_and(|it| matches!(it.tail, Edit::Keep));
        // What we wrote of a URL with a tail has no key in it, nor has what we show of one.
        let input = if has_param || kept_tail.is_some() || is_masked {
            KeyInput::Masked
        } else {
            KeyInput::Omitted
        };
        let PushAddress { url, tail, key } = PushAddress::parse(text, input).ok()?;
        let is_masked = is_masked || matches!(tail, Edit::Keep);
        let tail = match tail {
            Edit::Set(text) => Hidden::InUrl(text),
            Edit::Keep | Edit::Clear => kept_tail.map_or(Hidden::Nowhere, Hidden::Kept),
        };
        let key = match key {
            Edit::Set(key) => Hidden::InUrl(key.as_secret().clone()),
            Edit::Keep | Edit::Clear if has_param => Hidden::Kept(self.kept_key(item, codec)),
            Edit::Keep | Edit::Clear => Hidden::Nowhere,
        };
        Some(Found {
            url,
            is_masked,
            tail,
            key,
        })
    }

    /// The key in the parameter that the row names.
    fn kept_key(self, item: &Item, codec: LegCodec<'_>) -> SecretRef {
        let unread = || SecretRef::unread(&self.key_name(codec.id), codec.hash_key);
        self.key.read(item).unwrap_or_else(unread)
    }

    /// The key that a row has beside no URL that can be used, where nobody sees it.
    ///
    /// Who gives such a leg a URL and says nothing of a key knows of none, and so
    /// has not asked for it to go (rule 22).
    pub(super) fn key_of_nothing(self, item: &Item, codec: LegCodec<'_>) -> Option<SecretRef> {
        let is_hidden = words(item, self.key_param).is_some() && self.find(item, codec).is_none();
        is_hidden.then(|| self.kept_key(item, codec))
    }

    /// The attributes of a leg none of whose secrets stands in its URL.
    pub(super) fn write(self, leg: Option<&Endpoint>, codec: LegCodec<'_>) -> Item {
        let edits = leg.map(|leg| {
            let (text, inline) = (leg.url.to_string().into(), Inline::default());
            self.attributes(leg, &text, &inline, codec)
        });
        let there = |(name, value): (&str, Option<AttributeValue>)| Some((name.to_owned(), value?));
        edits.into_iter().flatten().filter_map(there).collect()
    }

    /// What has to be written over a stored leg so that it becomes this one.
    pub(super) fn edits(self, leg: Option<&Endpoint>, raw: &Item, codec: LegCodec<'_>) -> Edits {
        let texts = self.inline(raw, codec);
        let Some(leg) = leg else {
            return self.clear(raw);
        };
        let is_of = |text: &&SecretString, to: Option<SecretRef>| {
            to == Some(inline_ref(text, codec.hash_key))
        };
        // What the leg goes on to refer to stays where it is.
        let inline = Inline {
            tail: texts.tail.as_ref().filter(|text| is_of(text, leg.tail)),
            key: texts.key.as_ref().filter(|text| is_of(text, leg.key)),
        };
        let now = self.read(raw, codec);
        let same_url = now.as_ref().is_some_and(|now| {
            let same_key = texts.key.is_none() || inline.key.is_some();
            now.url == leg.url && now.tail == leg.tail && same_key
        });
        let text = match words(raw, self.url) {
            Some(text) if same_url => text.into(),
            _ => inline.in_url(&leg.url),
        };
        let mut edits = Edits::from(self.attributes(leg, &text, &inline, codec));
        // An old client's own form of the same URL, and its own name of a parameter.
        if same_url {
            edits.remove(self.url);
        }
        let same_key = now.is_some_and(|now| now.key == leg.key);
        if same_key && words(raw, self.key_param).is_some() {
            edits.remove(self.key_param);
        }
        if leg.key.is_none() && self.key_of_nothing(raw, codec).is_some() {
            for name in [self.key_param, self.key.version, self.key.digest] {
                edits.remove(name);
            }
        }
        // Old clients know NULL where we would say nothing.
        for name in [self.url, self.key_param] {
            if edits.get(name) == Some(&None) {
                edits.insert(name, self.nothing(name, raw));
            }
        }
        edits
    }

    fn clear(self, raw: &Item) -> Edits {
        let nothing = |name| match name {
            name if name == self.url || name == self.key_param => (name, self.nothing(name, raw)),
            name => (name, None),
        };
        self.all().map(nothing).into_iter().collect()
    }

    /// What an attribute of the old clients is when it is nothing: NULL if they
    /// have put anything there.
    fn nothing(self, name: &str, raw: &Item) -> Option<AttributeValue> {
        raw.contains_key(name).then_some(AttributeValue::Null(true))
    }

    fn attributes(
        self,
        leg: &Endpoint,
        url: &SecretString,
        inline: &Inline<'_>,
        codec: LegCodec<'_>,
    ) -> [(&'static str, Option<AttributeValue>); 7] {
        // In a URL without a key, the last part would be read as one.
        let marks_tail = inline.tail.is_none() || leg.key.is_none();
        let tail = leg.tail.filter(|_| marks_tail);
        let [tail_version, tail_digest] = self.tail.write(tail.as_ref());
        let tail_of = tail.map(|_| from_text(url.expose_secret()));
        let key = leg.key.filter(|_| inline.key.is_none());
        let name = self.key_name(codec.id);
        let param = key.map(|_| from_text(format_args!("{}/{name}", codec.prefix)));
        let unread = SecretRef::unread(&name, codec.hash_key);
        let key = key.filter(|key| *key != unread);
        let [key_version, key_digest] = self.key.write(key.as_ref());
        [
            (self.url, Some(from_text(url.expose_secret()))),
            tail_version,
            tail_digest,
            (self.tail_of, tail_of),
            (self.key_param, param),
            key_version,
            key_digest,
        ]
    }
}

/// The secrets that stand in a URL.
#[derive(Debug, Default)]
pub(super) struct InlineTexts {
    pub(super) tail: Option<SecretString>,
    pub(super) key: Option<SecretString>,
}

/// Refers to a secret that stands in the row itself.
pub(super) fn inline_ref(text: &SecretString, hash_key: &HashKey) -> SecretRef {
    SecretRef::new(SecretVersion::UNREAD, text, hash_key)
}

impl Inline<'_> {
    /// The URL with the secrets in it that stand there.
    fn in_url(&self, url: &PushUrl) -> SecretString {
        if self.tail.is_none() && self.key.is_none() {
            return url.to_string().into();
        }
        let tail = self.tail.map_or("", |tail| tail.expose_secret());
        let query = url.query().map(|query| format!("?{query}"));
        let key = self.key.map(|key| format!("/{}", key.expose_secret()));
        let (query, key) = (query.unwrap_or_default(), key.unwrap_or_default());
        format!("{}/{}{tail}{query}{key}", url.origin(), url.app()).into()
    }
}
