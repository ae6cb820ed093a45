//! Values to bytes and back.

use bytes::{Bytes, BytesMut};
use lunora_relay::wire::amf0::{Amf0Error, MAX_DEPTH, MAX_VALUES, Value, decode, encode};
use lunora_relay::wire::data_frame;
use proptest::collection::vec;
use proptest::prelude::*;

fn encoded(value: &Value) -> BytesMut {
    let mut out = BytesMut::new();
    encode(&mut out, value);
    out
}

fn value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i32>().prop_map(f64::from),
        any::<f64>().prop_filter("nan", |n| !n.is_nan())
    ];
    let leaf = prop_oneof![
        number.clone().prop_map(Value::Number),
        any::<bool>().prop_map(Value::Boolean),
        ".{0,20}".prop_map(Value::String),
        ".{0,20}".prop_map(Value::LongString),
        ".{0,20}".prop_map(Value::XmlDocument),
        any::<u16>().prop_map(Value::Reference),
        (number, any::<i16>()).prop_map(|(millis, timezone)| Value::Date { millis, timezone }),
        Just(Value::Null),
        Just(Value::Undefined),
        Just(Value::Unsupported),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        let properties = vec((".{0,8}", inner.clone()), 0..6);
        prop_oneof![
            properties.clone().prop_map(Value::Object),
            properties.clone().prop_map(Value::EcmaArray),
            vec(inner, 0..6).prop_map(Value::StrictArray),
            (".{0,8}", properties)
                .prop_map(|(class, properties)| Value::TypedObject { class, properties }),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_comes_back_as_it_was(values in vec(value(), 0..5)) {
        let mut out = BytesMut::new();
        for value in &values {
            encode(&mut out, value);
        }

        prop_assert_eq!(decode(&out).unwrap(), values);
    }

    #[test]
    fn a_value_cut_anywhere_is_truncated(value in value(), cut in any::<prop::sample::Index>()) {
        let bytes = encoded(&value);
        let cut = cut.index(bytes.len());
        prop_assume!(cut > 0);

        prop_assert_eq!(decode(&bytes[..cut]), Err(Amf0Error::Truncated));
    }

    #[test]
    fn any_bytes_are_values_or_an_error(bytes in vec(prop_oneof![0_u8..0x12, any::<u8>()], 0..400)) {
        if let Ok(values) = decode(&bytes) {
            prop_assert!(values.len() <= MAX_VALUES);
        }
    }
}

/// `rml_rtmp` bug 3: the whole process died there.
#[test]
fn two_hundred_thousand_nested_objects_are_an_error() {
    let objects = b"\x03\x00\x01a".repeat(200_000);
    let arrays = b"\x0a\x00\x00\x00\x01".repeat(200_000);

    assert_eq!(decode(&objects), Err(Amf0Error::TooDeep(MAX_DEPTH)));
    assert_eq!(decode(&arrays), Err(Amf0Error::TooDeep(MAX_DEPTH)));
}

#[test]
fn nesting_is_allowed_to_the_depth_it_says() {
    let nested = |depth| (1..depth).fold(Value::Null, |inner, _| Value::StrictArray(vec![inner]));

    assert!(decode(&encoded(&nested(MAX_DEPTH))).is_ok());
    assert_eq!(
        decode(&encoded(&nested(MAX_DEPTH + 1))),
        Err(Amf0Error::TooDeep(MAX_DEPTH))
    );
}

#[test]
fn more_values_than_a_message_may_hold_are_an_error() {
    assert_eq!(decode(&vec![5; MAX_VALUES]).unwrap().len(), MAX_VALUES);
    assert_eq!(
        decode(&vec![5; MAX_VALUES + 1]),
        Err(Amf0Error::TooMany(MAX_VALUES))
    );
    // Four billion announced, three there.
    assert_eq!(
        decode(&[0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 5, 5, 5]),
        Err(Amf0Error::Truncated)
    );
}

/// `rml_rtmp` bug 5: both were errors there.
#[test]
fn long_strings_and_dates_are_values() {
    let long = "x".repeat(70_000);
    let date = Value::Date {
        millis: 1.7e12,
        timezone: -60,
    };

    assert_eq!(decode(&encoded(&date)).unwrap(), [date]);
    assert_eq!(
        decode(&encoded(&Value::String(long.clone()))).unwrap(),
        [Value::LongString(long)]
    );
}

/// `rml_rtmp` bug 5: metadata was reduced to eleven known fields there.
#[test]
fn metadata_loses_its_wrapper_and_not_a_byte_more() {
    let mut metadata = encoded(&Value::from("onMetaData"));
    // Values nobody can decode pass just the same.
    metadata.extend_from_slice(b"\x08\x00\x00\x00\x63\x00\x05weird\x11\x0a\x0b\x01\xff");
    let metadata = metadata.freeze();
    let wrapped = Bytes::from([&encoded(&Value::from("@setDataFrame"))[..], &metadata].concat());

    assert_eq!(data_frame::unwrap(&wrapped), metadata);
    assert_eq!(data_frame::unwrap(&metadata), metadata);
    assert_eq!(data_frame::wrap(&metadata), wrapped);
    let other = encoded(&Value::from("onTextData")).freeze();
    assert_eq!(data_frame::wrap(&other), other);
}

#[test]
fn text_that_is_not_utf8_is_read_with_replacements() {
    assert_eq!(
        decode(b"\x02\x00\x02a\xff").unwrap(),
        [Value::from("a\u{FFFD}")]
    );
}
