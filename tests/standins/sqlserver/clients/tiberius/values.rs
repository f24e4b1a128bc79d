//! Texts of types.tsv as tiberius' values, and back.

use std::borrow::Cow;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use tiberius::numeric::Numeric;
use tiberius::time as tds;
use tiberius::xml::XmlData;
use tiberius::{ColumnData, FromSql, IntoSql, ToSql, Uuid};

pub type Failure = Box<dyn std::error::Error>;

pub const ROWS: [&str; 4] = ["high", "low", "empty", "null"];

/// A line of types.tsv.
pub struct Type {
    pub key: String,
    pub declaration: String,
    pub kind: String,
    pub texts: Vec<String>,
}

pub fn read_types(path: &str) -> Result<Vec<Type>, Failure> {
    let file = std::fs::read_to_string(path)?;
    Ok(file
        .lines()
        .map(|line| {
            let mut fields = line.split('\t').map(str::to_string);
            let mut next = || fields.next().unwrap_or_default();
            let (key, declaration, kind) = (next(), next(), next());
            Type {
                key,
                declaration,
                kind,
                texts: vec![next(), next(), next()],
            }
        })
        .collect())
}

/// A value on its way into a parameter.
pub struct Value<'a>(pub ColumnData<'a>);

impl ToSql for Value<'_> {
    fn to_sql(&self) -> ColumnData<'_> {
        self.0.clone()
    }
}

impl<'a> IntoSql<'a> for Value<'a> {
    fn into_sql(self) -> ColumnData<'a> {
        self.0
    }
}

pub fn bytes_of(hex: &str) -> Result<Vec<u8>, Failure> {
    (0..hex.len() / 2)
        .map(|i| Ok(u8::from_str_radix(&hex[2 * i..2 * i + 2], 16)?))
        .collect()
}

pub fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// The digits in the brackets of a declaration: 7 of datetime2(7).
fn scale_of(declaration: &str) -> u8 {
    let digits = declaration.split(['(', ')']).nth(1).unwrap_or("");
    digits.parse().unwrap_or(0)
}

fn days_since(year: i32, date: NaiveDate) -> i64 {
    date.signed_duration_since(NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default())
        .num_days()
}

fn tds_time(time: NaiveTime, scale: u8) -> tds::Time {
    let nanoseconds =
        u64::from(time.num_seconds_from_midnight()) * 1_000_000_000 + u64::from(time.nanosecond());
    tds::Time::new(nanoseconds / 10u64.pow(9 - u32::from(scale)), scale)
}

pub fn tds_datetime2(at: NaiveDateTime, scale: u8) -> tds::DateTime2 {
    tds::DateTime2::new(
        tds::Date::new(days_since(1, at.date()) as u32),
        tds_time(at.time(), scale),
    )
}

fn time_value(of: &Type, text: &str) -> Result<ColumnData<'static>, Failure> {
    let scale = scale_of(&of.declaration);
    if of.key == "date" {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d")?;
        return Ok(ColumnData::Date(Some(tds::Date::new(
            days_since(1, date) as u32
        ))));
    }
    if of.key.starts_with("time") {
        let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.f")?;
        return Ok(ColumnData::Time(Some(tds_time(time, scale))));
    }
    if of.key.starts_with("datetimeoffset") {
        let at = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f %:z")?;
        let offset_min = (at.offset().local_minus_utc() / 60) as i16;
        let utc = tds_datetime2(at.naive_utc(), scale);
        return Ok(ColumnData::DateTimeOffset(Some(tds::DateTimeOffset::new(
            utc, offset_min,
        ))));
    }
    let at = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f")?;
    let days = days_since(1900, at.date());
    let seconds = at.time().num_seconds_from_midnight();
    Ok(match of.key.as_str() {
        "datetime" => {
            let ticks = (u64::from(at.time().nanosecond()) * 300 + 500_000_000) / 1_000_000_000;
            ColumnData::DateTime(Some(tds::DateTime::new(
                days as i32,
                seconds * 300 + ticks as u32,
            )))
        }
        "smalldatetime" => ColumnData::SmallDateTime(Some(tds::SmallDateTime::new(
            days as u16,
            (seconds / 60) as u16,
        ))),
        _ => ColumnData::DateTime2(Some(tds_datetime2(at, scale))),
    })
}

fn numeric_of(text: &str) -> Result<Numeric, Failure> {
    let scale = text.find('.').map_or(0, |dot| text.len() - dot - 1);
    Ok(Numeric::new_with_scale(
        text.replace('.', "").parse()?,
        scale as u8,
    ))
}

/// The NULL that is declared like the type's values.
fn null_of(of: &Type) -> ColumnData<'static> {
    match of.kind.as_str() {
        "integer" => ColumnData::I64(None),
        "single" => ColumnData::F32(None),
        "double" => ColumnData::F64(None),
        "decimal" => ColumnData::Numeric(None),
        "bytes" => ColumnData::Binary(None),
        "guid" => ColumnData::Guid(None),
        "time" if of.key == "date" => ColumnData::Date(None),
        "time" if of.key.starts_with("time") => ColumnData::Time(None),
        "time" if of.key.starts_with("datetimeoffset") => ColumnData::DateTimeOffset(None),
        "time" => ColumnData::DateTime2(None),
        _ if of.key == "xml" => ColumnData::Xml(None),
        _ => ColumnData::String(None),
    }
}

/// The parameter for row `row` of the type.
pub fn parameter(of: &Type, row: usize) -> Result<ColumnData<'static>, Failure> {
    let Some(text) = of.texts.get(row) else {
        return Ok(null_of(of));
    };
    Ok(match of.kind.as_str() {
        "integer" => match of.key.as_str() {
            "bit" => ColumnData::Bit(Some(text == "1")),
            "tinyint" => ColumnData::U8(Some(text.parse()?)),
            "smallint" => ColumnData::I16(Some(text.parse()?)),
            "int" => ColumnData::I32(Some(text.parse()?)),
            _ => ColumnData::I64(Some(text.parse()?)),
        },
        "single" => ColumnData::F32(Some(text.parse()?)),
        "double" => ColumnData::F64(Some(text.parse()?)),
        "decimal" => ColumnData::Numeric(Some(numeric_of(text)?)),
        "bytes" => ColumnData::Binary(Some(Cow::Owned(bytes_of(text)?))),
        "guid" => ColumnData::Guid(Some(text.parse::<Uuid>()?)),
        "time" => time_value(of, text)?,
        _ if of.key == "xml" => ColumnData::Xml(Some(Cow::Owned(XmlData::new(text)))),
        _ => ColumnData::String(Some(Cow::Owned(text.clone()))),
    })
}

fn numeric_text(number: Numeric) -> String {
    let scale = number.scale() as usize;
    let sign = if number.value() < 0 { "-" } else { "" };
    let digits = format!("{:0>1$}", number.value().unsigned_abs(), scale + 1);
    let dot = if scale > 0 { "." } else { "" };
    format!(
        "{sign}{}{dot}{}",
        &digits[..digits.len() - scale],
        &digits[digits.len() - scale..]
    )
}

fn or_null<T>(value: Option<T>, text: impl Fn(T) -> String) -> String {
    value.map_or("NULL".to_string(), text)
}

/// A value of a result as text.
pub fn text_of(data: &ColumnData<'static>) -> Result<String, Failure> {
    Ok(match data {
        ColumnData::Bit(v) => or_null(*v, |v| u8::from(v).to_string()),
        ColumnData::U8(v) => or_null(*v, |v| v.to_string()),
        ColumnData::I16(v) => or_null(*v, |v| v.to_string()),
        ColumnData::I32(v) => or_null(*v, |v| v.to_string()),
        ColumnData::I64(v) => or_null(*v, |v| v.to_string()),
        ColumnData::F32(v) => or_null(*v, |v| v.to_string()),
        ColumnData::F64(v) => or_null(*v, |v| v.to_string()),
        ColumnData::Numeric(v) => or_null(*v, numeric_text),
        ColumnData::String(v) => or_null(v.as_ref(), |v| v.to_string()),
        ColumnData::Xml(v) => or_null(v.as_ref(), |v| v.as_ref().to_string()),
        ColumnData::Guid(v) => or_null(*v, |v| v.to_string()),
        ColumnData::Binary(v) => or_null(v.as_ref(), |v| hex_of(v)),
        ColumnData::Date(_) => or_null(NaiveDate::from_sql(data)?, |v| v.to_string()),
        ColumnData::Time(_) => or_null(NaiveTime::from_sql(data)?, |v| {
            v.format("%H:%M:%S%.9f").to_string()
        }),
        ColumnData::DateTimeOffset(_) => or_null(DateTime::<FixedOffset>::from_sql(data)?, |v| {
            v.format("%Y-%m-%d %H:%M:%S%.9f %:z").to_string()
        }),
        // Three-hundredths of a second, which people write with three digits.
        ColumnData::DateTime(_) => or_null(NaiveDateTime::from_sql(data)?, |v| {
            let at = v + chrono::TimeDelta::microseconds(500);
            at.format("%Y-%m-%d %H:%M:%S%.3f").to_string()
        }),
        _ => or_null(NaiveDateTime::from_sql(data)?, |v| {
            v.format("%Y-%m-%d %H:%M:%S%.9f").to_string()
        }),
    })
}
