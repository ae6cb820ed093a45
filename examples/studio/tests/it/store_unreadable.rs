//! What cannot be read is named, and stops nothing else (rule 9: it is no wish
//! that something be gone).

use lunora_core::{
    domain::{Destination, DestinationId, Source},
    port::{ErrorKind, PageRequest, Record, Repo, RepoExt as _, Unreadable},
};
use lunora_studio::store::Store;
use lunora_testkit::sample::{self, CANARY};

use crate::store_data::{Data, run, told};

/// A folder with one destination and one source, of which the change is made.
fn damaged(change: &str) -> (Data, Store) {
    let data = Data::new();
    let store = data.open();
    run(async {
        let destinations = store.destinations();
        destinations.create(&sample::destination(1)).await.unwrap();
        store.sources().create(&sample::source(1)).await.unwrap();
    });
    let changed = data.sql().execute(change, []).unwrap();
    assert_eq!(changed, 1, "{change}");
    (data, store)
}

/// What the listing says about the only one, and what a get of it says.
fn said<R: Record>(repo: &dyn Repo<R>, id: &R::Id) -> (Unreadable, String) {
    let listing = run(repo.survey()).unwrap();
    assert_eq!(listing.items, []);
    let [unreadable] = listing.unreadable.try_into().unwrap();
    let refused = run(repo.get(id)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    (unreadable, told(&refused))
}

#[test]
fn a_column_that_cannot_be_read_is_named_without_what_it_says() {
    #[rustfmt::skip]
    let cases = [
        ("wanted", CANARY, "it is none of the words that are known"),
        ("active_leg", CANARY, "it is none of the words that are known"),
        ("created_at", CANARY, "it is no time"),
        ("started_at", CANARY, "it is no time"),
        ("preset_id", "canary 5d0f6c1ab3e94827", "an id has 1 to 128 letters"),
        ("name", "\u{7}canary", "a name has 1 to 120 characters"),
        ("platform", "CANARY", "expected 1 to 40 lower-case letters"),
        ("primary_url", "http://canary", "a push URL starts with"),
        ("primary_key_digest", CANARY, "a digest has 32 hexadecimal digits"),
    ];
    for (column, value, why) in cases {
        let change = format!("UPDATE destination SET {column} = '{value}'");
        let (_data, store) = damaged(&change);

        let (named, told) = said(&*store.destinations(), &sample::destination_id(1));

        assert_eq!((named.noun, named.id.as_str()), ("destination", "dest-1"));
        let reason = format!("column {column}: {why}");
        assert!(named.reason.starts_with(&reason), "{}", named.reason);
        let place = format!("cannot read table destination, key dest-1, column {column}: {why}");
        assert!(told.contains(&place), "{told}");
        assert!(!named.reason.to_lowercase().contains("canary"));
        assert!(!told.to_lowercase().contains("canary"), "{told}");
    }
}

#[test]
fn a_json_that_cannot_be_read_is_named_without_what_it_says() {
    #[rustfmt::skip]
    let cases = [
        (format!("'{CANARY}'"), "it is no JSON, from line 1 on"),
        ("substr(value, 1, 40)".to_owned(), "it is no JSON, from line 1 on"),
        (format!("value || '{CANARY}'"), "something follows the JSON"),
        (format!("json_set(value, '$.protocol', '{CANARY}')"), "what is at `protocol` does not fit"),
        (format!("json_set(value, '$.port', '{CANARY}')"), "what is at `port` does not fit"),
        ("json_set(value, '$.health_check.interval_seconds', 0)".to_owned(),
            "what is at `health_check.interval_seconds` does not fit"),
        (format!("json_object('{CANARY}', 1)"), "missing field `id`"),
        (format!("json_set(value, '$.id', '{CANARY}')"), "it is of another id"),
    ];
    for (value, why) in cases {
        let change = format!("UPDATE record SET value = {value} WHERE kind = 'source'");
        let (_data, store) = damaged(&change);

        let (named, told) = said(&*store.sources(), &sample::source_id(1));

        assert_eq!((named.noun, named.id.as_str()), ("source", "src-1"));
        assert!(named.reason.starts_with("column value: "));
        assert!(named.reason.contains(why), "{}", named.reason);
        let place = "cannot read table record, key src-1, column value: ";
        assert!(told.contains(place) && told.contains(why), "{told}");
        assert!(!named.reason.contains(CANARY), "{}", named.reason);
        assert!(!told.contains(CANARY), "{told}");
    }
}

/// What pages of each size list: ids that can be read, and ids that cannot.
fn listed<R: Record>(repo: &dyn Repo<R>) -> (Vec<String>, Vec<String>) {
    let by = |limit| {
        let (mut ids, mut unreadable, mut after) = (Vec::new(), Vec::new(), None);
        loop {
            let page = run(repo.list(PageRequest { limit, after })).unwrap();
            let count = page.items.len() + page.unreadable.len();
            assert!((1..=limit as usize).contains(&count), "{count} of {limit}");
            ids.extend(page.items.iter().map(|it| it.value.id().to_string()));
            unreadable.extend(page.unreadable.into_iter().map(|it| it.id));
            after = page.next;
            if after.is_none() {
                return (ids, unreadable);
            }
            assert_eq!(count, limit as usize);
        }
    };
    let all = by(100);
    for limit in 1..=9 {
        assert_eq!(by(limit), all, "by pages of {limit}");
    }
    all
}

/// Under any bytes that can be stored as an id.
const IDS: &str = "UPDATE {table} SET id = CASE id
    WHEN '{prefix}-3' THEN '' WHEN '{prefix}-4' THEN 'no id'
    WHEN '{prefix}-5' THEN CAST(x'ff00fe' AS TEXT) WHEN '{prefix}-6' THEN CAST(x'ff00ff' AS TEXT)
    ELSE id END";

fn ids(table: &str, prefix: &str) -> String {
    IDS.replace("{table}", table).replace("{prefix}", prefix)
}

fn lossy() -> [String; 2] {
    [[0xff, 0, 0xfe], [0xff, 0, 0xff]].map(|it| String::from_utf8_lossy(&it).into_owned())
}

#[test]
fn rule_9_a_listing_of_destinations_goes_on_past_what_cannot_be_read() {
    let data = Data::new();
    let store = data.open();
    for n in 1..=7 {
        run(store.destinations().create(&sample::destination(n))).unwrap();
    }
    let sql = data.sql();
    let wanted = "UPDATE destination SET wanted = '' WHERE id IN ('dest-1', 'dest-7')";
    sql.execute(wanted, []).unwrap();
    sql.execute(&ids("destination", "dest"), []).unwrap();

    let (items, unreadable) = listed::<Destination>(&*store.destinations());

    assert_eq!(items, ["dest-2"]);
    let [one, other] = lossy();
    assert_eq!(unreadable, ["", "dest-1", "dest-7", "no id", &one, &other]);
}

#[test]
fn rule_9_a_listing_of_sources_goes_on_past_what_cannot_be_read() {
    let data = Data::new();
    let store = data.open();
    for n in 1..=7 {
        run(store.sources().create(&sample::source(n))).unwrap();
    }
    let sql = data.sql();
    let values = "UPDATE record SET value = '' WHERE id IN ('src-1', 'src-7')";
    sql.execute(values, []).unwrap();
    sql.execute(&ids("record", "src"), []).unwrap();

    let (items, unreadable) = listed::<Source>(&*store.sources());

    assert_eq!(items, ["src-2"]);
    let [one, other] = lossy();
    assert_eq!(unreadable, ["", "no id", "src-1", "src-7", &one, &other]);
}

#[test]
fn what_cannot_be_read_is_there() {
    let (_data, store) = damaged("UPDATE destination SET wanted = ''");
    let id: DestinationId = sample::destination_id(1);
    let again = run(store.destinations().create(&sample::destination(1))).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict);
    let all = run(store.destinations().list_all()).unwrap_err();
    assert_eq!(all.kind(), ErrorKind::Corrupt);
    let get = run(store.destinations().get(&id)).unwrap_err();
    let text = "failed to read destination dest-1: what is stored is unreadable: ";
    assert!(told(&get).starts_with(text), "{}", told(&get));
}
