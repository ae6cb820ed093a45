use std::{
    num::{NonZeroU8, NonZeroU32},
    str::FromStr,
};

use lunora_core::{
    domain::{Edit, HealthCheck, InputClass, MASK, Priority, SourceAddressError},
    service::{AddressEdit, NewSource, SourcePatch},
};
use serde::Deserialize;

use crate::{
    body::{Field, refused},
    problem::Problem,
};

/// Seconds between two looks at a source that does not say it.
const INTERVAL_DEFAULT: NonZeroU32 = NonZeroU32::new(30).unwrap();

/// The longest time between two looks, in seconds: a day.
const INTERVAL_MAX: u64 = 86_400;

/// What a client says about a source. Fields that it does not know are ignored:
/// old clients send more.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SourceBody {
    name: Field,
    protocol: Field,
    connection_url: Field,
    host_ip: Field,
    port: Field,
    stream_id: Field,
    passphrase: Field,
    encryption_type: Field,
    priority: Field,
    enabled: Field,
    health_check_enabled: Field,
    health_check_interval: Field,
    input_class: Field,
}

impl SourceBody {
    pub(crate) fn new_source(&self) -> Result<NewSource, Problem> {
        let required = || Problem::invalid("`name` and `protocol` are required");
        let secrets = [
            ("connection_url", &self.connection_url),
            ("stream_id", &self.stream_id),
            ("passphrase", &self.passphrase),
        ];
        for (name, field) in secrets {
            if matches!(field.text(name)?, Edit::Set(MASK)) {
                let message = format!(
                    "`{name}`: the mask stands for what is stored, and a new source has nothing \
                     stored; give the text itself"
                );
                return Err(Problem::invalid(message));
            }
        }
        Ok(NewSource {
            name: self.name.required("name")?.ok_or_else(required)?,
            protocol: self.protocol.required("protocol")?.ok_or_else(required)?,
            address: self.address()?,
            encryption: self.encryption_type.required("encryption_type")?,
            priority: self.priority()?.unwrap_or(Priority::PRIMARY),
            enabled: self.enabled.flag("enabled")?.unwrap_or(true),
            health_check: HealthCheck {
                enabled: self.health_check_enabled()?.unwrap_or(true),
                interval_seconds: self.interval()?.unwrap_or(INTERVAL_DEFAULT),
            },
            input_class: self
                .input_class
                .required("input_class")?
                .unwrap_or(InputClass::Standard),
        })
    }

    pub(crate) fn patch(&self) -> Result<SourcePatch, Problem> {
        Ok(SourcePatch {
            name: self.name.required("name")?,
            protocol: self.protocol.required("protocol")?,
            address: self.address()?,
            encryption: self.encryption_type.required("encryption_type")?,
            priority: self.priority()?,
            enabled: self.enabled.flag("enabled")?,
            health_check_enabled: self.health_check_enabled()?,
            health_check_interval: self.interval()?,
            input_class: self.input_class.required("input_class")?,
        })
    }

    fn address(&self) -> Result<AddressEdit, Problem> {
        Ok(AddressEdit {
            url: secret("connection_url", &self.connection_url)?,
            host: self.host_ip.value("host_ip")?,
            port: match &self.port {
                Field::Omitted => Edit::Keep,
                Field::Null => Edit::Clear,
                field => {
                    let port = field.number().and_then(|it| u16::try_from(it).ok());
                    let port = port.filter(|port| *port != 0);
                    let message = "`port` has to be a number from 1 to 65535, or null";
                    Edit::Set(port.ok_or_else(|| Problem::invalid(message))?)
                }
            },
            stream_id: secret("stream_id", &self.stream_id)?,
            passphrase: secret("passphrase", &self.passphrase)?,
        })
    }

    fn priority(&self) -> Result<Option<Priority>, Problem> {
        let message = "`priority` has to be a number from 1 to 255: 1 is the primary, 2 the \
                       backup, 3 the emergency";
        let priority = number(&self.priority, 255, message)?;
        let priority = priority.and_then(|it| u8::try_from(it).ok());
        Ok(priority.and_then(NonZeroU8::new).map(Priority))
    }

    fn health_check_enabled(&self) -> Result<Option<bool>, Problem> {
        self.health_check_enabled.flag("health_check_enabled")
    }

    fn interval(&self) -> Result<Option<NonZeroU32>, Problem> {
        let message = "`health_check_interval` has to be a number of seconds from 1 to 86400";
        let interval = number(&self.health_check_interval, INTERVAL_MAX, message)?;
        let interval = interval.and_then(|it| u32::try_from(it).ok());
        Ok(interval.and_then(NonZeroU32::new))
    }
}

/// A number from 1 on.
fn number(field: &Field, most: u64, message: &str) -> Result<Option<u64>, Problem> {
    if matches!(field, Field::Omitted) {
        return Ok(None);
    }
    let number = field.number().filter(|it| (1..=most).contains(it));
    let number = number.ok_or_else(|| Problem::invalid(message))?;
    Ok(Some(number))
}

/// A secret, as rule 22 reads it: the mask, or no word of it, leaves it as it is.
fn secret<T>(name: &str, field: &Field) -> Result<Edit<T>, Problem>
where
    T: FromStr<Err = SourceAddressError>,
{
    match field.text(name)? {
        Edit::Keep | Edit::Set(MASK) => Ok(Edit::Keep),
        Edit::Clear => Ok(Edit::Clear),
        Edit::Set(text) => text.parse().map(Edit::Set).map_err(|it| refused(name, it)),
    }
}
