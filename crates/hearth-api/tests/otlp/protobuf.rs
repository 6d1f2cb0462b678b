//! Spans as a collector reads them off the wire, by the numbers of OTLP's fields; written down here, so that nothing of the exporter checks
//! itself.

use std::collections::BTreeMap;

/// One span.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Span {
    /// Lower-case hexadecimal, as all ids.
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty where it has none.
    pub(crate) parent: String,
    pub(crate) name: String,
    pub(crate) kind: u64,
    /// Nanoseconds since 1970.
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Numbers as text.
    pub(crate) attributes: BTreeMap<String, String>,
    /// 2 is an error.
    pub(crate) status: u64,
}

/// What a request exports: the attributes of its resources, and its spans.
pub(crate) fn exported(request: &[u8]) -> (BTreeMap<String, String>, Vec<Span>) {
    let (mut resource, mut spans) = (BTreeMap::new(), Vec::new());
    for resource_spans in fields(request).messages(1) {
        for message in resource_spans.messages(1) {
            resource.extend(message.messages(1).map(|attribute| key_value(&attribute)));
        }
        for scope_spans in resource_spans.messages(2) {
            spans.extend(scope_spans.messages(2).map(|message| span(&message)));
        }
    }
    (resource, spans)
}

fn span(message: &Message) -> Span {
    Span {
        trace: message.hexadecimal(1),
        id: message.hexadecimal(2),
        parent: message.hexadecimal(4),
        name: message.text(5),
        kind: message.number(6),
        start: message.number(7),
        end: message.number(8),
        attributes: message
            .messages(9)
            .map(|attribute| key_value(&attribute))
            .collect(),
        status: message.messages(15).map(|status| status.number(3)).sum(),
    }
}

fn key_value(message: &Message) -> (String, String) {
    let value = message.messages(2).next().unwrap();
    let text = match value.0.first() {
        Some((1, Value::Bytes(text))) => String::from_utf8(text.clone()).unwrap(),
        Some((3, Value::Number(number))) => number.to_string(),
        other => panic!("an attribute of another kind: {other:?}"),
    };
    (message.text(1), text)
}

/// The fields of a message in their order.
struct Message(Vec<(u64, Value)>);

#[derive(Debug)]
enum Value {
    Number(u64),
    Bytes(Vec<u8>),
}

impl Message {
    fn messages(&self, field: u64) -> impl Iterator<Item = Message> {
        self.0.iter().filter_map(move |(number, value)| match value {
            Value::Bytes(bytes) if *number == field => Some(fields(bytes)),
            Value::Bytes(_) | Value::Number(_) => None,
        })
    }

    fn bytes(&self, field: u64) -> &[u8] {
        let found = self.0.iter().find_map(|(number, value)| match value {
            Value::Bytes(bytes) if *number == field => Some(bytes.as_slice()),
            Value::Bytes(_) | Value::Number(_) => None,
        });
        found.unwrap_or_default()
    }

    fn text(&self, field: u64) -> String {
        String::from_utf8(self.bytes(field).to_vec()).unwrap()
    }

    fn hexadecimal(&self, field: u64) -> String {
        self.bytes(field)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    fn number(&self, field: u64) -> u64 {
        let found = self.0.iter().find_map(|(number, value)| match value {
            Value::Number(value) if *number == field => Some(*value),
            Value::Bytes(_) | Value::Number(_) => None,
        });
        found.unwrap_or_default()
    }
}

fn fields(mut bytes: &[u8]) -> Message {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut bytes)),
            1 => Value::Number(u64::from_le_bytes(take(&mut bytes, 8).try_into().unwrap())),
            2 => {
                let length = varint(&mut bytes);
                Value::Bytes(take(&mut bytes, length.try_into().unwrap()).to_vec())
            }
            5 => Value::Number(u32::from_le_bytes(take(&mut bytes, 4).try_into().unwrap()).into()),
            other => panic!("wire type {other}"),
        };
        found.push((tag >> 3, value));
    }
    Message(found)
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for place in 0.. {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}
