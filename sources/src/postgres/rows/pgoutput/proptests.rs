//! Messages survive being written and read; anything else is an error and never a panic.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A value as the server writes it.
type Written = Option<Option<Vec<u8>>>;

fn write_name(out: &mut Vec<u8>, name: &str) {
    out.extend(name.as_bytes());
    out.push(0);
}

fn write_tuple(out: &mut Vec<u8>, values: &[Written]) {
    out.extend((values.len() as u16).to_be_bytes());
    for value in values {
        match value {
            None => out.push(b'n'),
            Some(None) => out.push(b'u'),
            Some(Some(text)) => {
                out.push(b't');
                out.extend((text.len() as u32).to_be_bytes());
                out.extend(text);
            }
        }
    }
}

fn tuple(values: &[Written]) -> Tuple<'_> {
    let value = |value: &'_ Written| match value {
        None => TupleValue::Null,
        Some(None) => TupleValue::Kept,
        // The borrow is that of the argument.
        Some(Some(_)) => TupleValue::Null,
    };
    let mut tuple = Tuple(values.iter().map(value).collect());
    for (place, value) in tuple.0.iter_mut().zip(values) {
        if let Some(Some(text)) = value {
            *place = TupleValue::Text(text);
        }
    }
    tuple
}

fn values() -> impl Strategy<Value = Vec<Written>> {
    vec(proptest::option::of(proptest::option::of(vec(any::<u8>(), 0..20))), 0..6)
}

proptest! {
    #[test]
    fn any_bytes_give_a_message_or_an_error(bytes in vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn any_bytes_after_a_known_tag_give_a_message_or_an_error(
        tag in prop::sample::select(b"RIUDTYO".to_vec()), bytes in vec(prop_oneof![Just(0u8), Just(1), any::<u8>(),
        prop::sample::select(b"NKOtun".to_vec())], 0..100)
    ) {
        let _ = decode(&[vec![tag], bytes].concat());
    }

    #[test]
    fn rows_are_read_as_they_were_written(
        relation in any::<u32>(), old in values(), new in values(), whole in any::<bool>(), cut in any::<prop::sample::Index>()
    ) {
        let head = |tag: u8| [vec![tag], relation.to_be_bytes().to_vec()].concat();
        let kind = if whole { b'O' } else { b'K' };
        let mut insert = head(b'I');
        insert.push(b'N');
        write_tuple(&mut insert, &new);
        prop_assert_eq!(decode(&insert), Ok(Message::Insert { relation, new: tuple(&new) }));
        let mut delete = head(b'D');
        delete.push(kind);
        write_tuple(&mut delete, &old);
        prop_assert_eq!(decode(&delete), Ok(Message::Delete { relation, old: tuple(&old) }));
        let mut update = head(b'U');
        update.push(kind);
        write_tuple(&mut update, &old);
        update.push(b'N');
        write_tuple(&mut update, &new);
        let read = Message::Update { relation, old: Some(tuple(&old)), new: tuple(&new) };
        prop_assert_eq!(decode(&update), Ok(read));
        // A message that was cut anywhere is no message, and neither is one with something behind it.
        prop_assert!(decode(&update[..cut.index(update.len())]).is_err());
        update.push(0);
        prop_assert_eq!(decode(&update), Err(Error::Long(1)));
    }

    #[test]
    fn relations_are_read_as_they_were_written(
        id in any::<u32>(), name in "[a-zé]{0,10}", full in any::<bool>(),
        columns in vec(("[a-z]{1,5}", any::<bool>(), any::<u32>()), 0..5), truncated in vec(any::<u32>(), 0..5)
    ) {
        let mut bytes = vec![b'R'];
        bytes.extend(id.to_be_bytes());
        write_name(&mut bytes, "public");
        write_name(&mut bytes, &name);
        bytes.push(if full { b'f' } else { b'd' });
        bytes.extend((columns.len() as u16).to_be_bytes());
        for (name, key, kind) in &columns {
            bytes.push(u8::from(*key));
            write_name(&mut bytes, name);
            bytes.extend(kind.to_be_bytes());
            bytes.extend((-1i32).to_be_bytes());
        }
        let columns = columns.iter().map(|(name, key, kind)| RelationColumn { name: name.as_bytes(), key: *key, kind: *kind });
        let columns = columns.collect();
        let relation = Relation { id, schema: b"public", name: name.as_bytes(), full, columns };
        prop_assert_eq!(decode(&bytes), Ok(Message::Relation(relation)));
        let mut bytes = vec![b'T'];
        bytes.extend((truncated.len() as u32).to_be_bytes());
        bytes.push(3);
        bytes.extend(truncated.iter().flat_map(|relation| relation.to_be_bytes()));
        prop_assert_eq!(decode(&bytes), Ok(Message::Truncate { relations: truncated }));
    }
}
