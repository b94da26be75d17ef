//! The types of the used columns, as far as ids depend on them: when two values are equal, and how an id is written.
//!
//! In SQL, equal values may have different texts, such as the numbers `1` and `1.00`. [`IdFormat`] computes one text for them
//! where this is possible; columns of all other types are refused by name.

use postgres::GenericClient;
use postgres::types::Type;

use crate::postgres::names;
use crate::postgres::values::id_format::IdFormat;

/// One row for each of these columns: its type below all domains.
const TYPES: &str = "
    WITH RECURSIVE base (name, place, kind, modifier, collation_id) AS (
        SELECT a.attname::text, array_position($2, a.attname::text), a.atttypid, a.atttypmod, a.attcollation
        FROM pg_attribute a
        WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped AND a.attname::text = ANY ($2)
        UNION ALL
        SELECT b.name, b.place, t.typbasetype, greatest(t.typtypmod, b.modifier), b.collation_id
        FROM base b JOIN pg_type t ON t.oid = b.kind WHERE t.typtype = 'd')
    SELECT b.name, t.oid, t.typname::text, t.typtype::text, b.modifier,
           EXISTS (SELECT FROM pg_collation c WHERE c.oid = b.collation_id AND to_jsonb(c) ->> 'collisdeterministic' = 'false'),
           format_type(t.oid, NULL)
    FROM base b JOIN pg_type t ON t.oid = b.kind
    WHERE t.typtype <> 'd'
    ORDER BY b.place";

/// The type of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ColumnType {
    pub(crate) column: String,
    /// The number of the type.
    pub(crate) oid: u32,
    /// The type's name, without its schema and with it.
    name: String,
    title: String,
    /// What the server calls `typtype`: `b` for a base type, `e` for an enum.
    class: String,
    /// Whether numbers may be written with decimals, as of `numeric(10, 2)`.
    decimals: bool,
    /// Whether texts that differ may be equal.
    loose: bool,
}

/// Families of types. Values of one family may equal values of another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TypeFamily {
    Text,
    Integer { small: bool },
    Numeric { decimals: bool },
    Float { double: bool },
    Uuid,
    Address,
    Other(u32),
}

/// How the ids of two columns are compared in SQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum IdJoin {
    /// As they are, so that an index can serve.
    #[default]
    Plain,
    /// As text.
    Text,
    /// As a uuid's digits.
    Uuid,
}

impl IdJoin {
    /// The condition under which the two columns hold the same id.
    pub(crate) fn sql(self, one: &str, other: &str) -> String {
        match self {
            IdJoin::Plain => format!("{one} = {other}"),
            IdJoin::Text => format!("{one}::text = {other}::text"),
            IdJoin::Uuid => {
                let digits = |column: &str| format!("translate(lower({column}::text), '{{}}-', '')");
                format!("{} = {}", digits(one), digits(other))
            }
        }
    }
}

/// The types of these columns of a table, in the order of `columns`; missing columns are left out.
pub(crate) fn read(
    client: &mut impl GenericClient,
    table: &str,
    columns: &[&str],
) -> Result<Vec<ColumnType>, postgres::Error> {
    let rows = client.query_typed(TYPES, &[(&names::table(table), Type::TEXT), (&columns, Type::TEXT_ARRAY)])?;
    let kind = |row: &postgres::Row| {
        let (oid, modifier): (u32, i32) = (row.get(1), row.get(4));
        ColumnType {
            column: row.get(0),
            oid,
            name: row.get(2),
            class: row.get(3),
            // Without a modifier a number has the decimals it was given.
            decimals: Type::from_oid(oid) == Some(Type::NUMERIC) && (modifier < 4 || (modifier - 4) & 0x7ff != 0),
            loose: row.get(5),
            title: row.get(6),
        }
    };
    Ok(rows.iter().map(kind).collect())
}

impl ColumnType {
    /// The format of ids of this type, or why equal ids may differ as text.
    pub(crate) fn form(&self) -> Result<IdFormat, String> {
        if self.loose {
            return Err("has a nondeterministic collation: texts that differ may be equal there".to_owned());
        }
        if self.name == "citext" {
            return Err("is of type citext: texts that differ in upper and lower case are equal there".to_owned());
        }
        match self.builtin() {
            "bpchar" => Ok(IdFormat::Padded),
            "bool" => Ok(IdFormat::Bool),
            "numeric" | "float4" | "float8" => Ok(IdFormat::Number),
            "inet" | "cidr" => Ok(IdFormat::Address),
            "text" | "varchar" | "name" | "char" | "int2" | "int4" | "int8" | "oid" | "uuid" | "bytea" | "date"
            | "time" | "timetz" | "timestamp" | "timestamptz" | "money" | "macaddr" | "macaddr8" | "bit" | "varbit"
            | "pg_lsn" | "enum" => Ok(IdFormat::Plain),
            _ => Err(format!("is of type {}, and ids of that type cannot be told apart by their text", self.title)),
        }
    }

    /// Whether values are lists of ids, each written as it is.
    pub(crate) fn is_list(&self) -> bool {
        !self.loose && matches!(self.builtin(), "_text" | "_varchar" | "_int2" | "_int4" | "_int8" | "_uuid")
    }

    /// The SQL for a text that is equal for equal ids, of a column of a type that [`ColumnType::form`] refuses.
    pub(crate) fn id_text(&self, column: &str) -> String {
        match self.builtin() {
            // The text of a string of JSON has quotes in it.
            "json" | "jsonb" => format!("{column} #>> '{{}}'"),
            // Only where texts that differ in case may be equal is their case no part of the id.
            _ if self.loose || self.name == "citext" => format!("lower({column}::text)"),
            _ => format!("{column}::text"),
        }
    }

    /// The name of the type where it is one of PostgreSQL's own, `enum` for an enum; empty for any other.
    fn builtin(&self) -> &str {
        match Type::from_oid(self.oid) {
            Some(_) => &self.name,
            None if self.class == "e" => "enum",
            None => "",
        }
    }

    fn family(&self) -> TypeFamily {
        match self.builtin() {
            "text" | "varchar" | "bpchar" | "name" | "char" | "enum" => TypeFamily::Text,
            "int2" | "int4" => TypeFamily::Integer { small: true },
            "int8" => TypeFamily::Integer { small: false },
            "numeric" => TypeFamily::Numeric { decimals: self.decimals },
            "float4" => TypeFamily::Float { double: false },
            "float8" => TypeFamily::Float { double: true },
            "uuid" => TypeFamily::Uuid,
            "inet" | "cidr" => TypeFamily::Address,
            _ => TypeFamily::Other(self.oid),
        }
    }

    /// How values of this type are compared with values of another one; none if equal values may have two texts.
    pub(crate) fn join(&self, other: &ColumnType) -> Option<IdJoin> {
        use TypeFamily::{Float, Integer, Numeric, Text, Uuid};
        if self.oid == other.oid {
            return Some(IdJoin::Plain);
        }
        match (self.family(), other.family()) {
            (Uuid, Text) | (Text, Uuid) => Some(IdJoin::Uuid),
            (Integer { .. }, Integer { .. } | Numeric { .. }) | (Numeric { .. }, Integer { .. }) => Some(IdJoin::Plain),
            // A floating-point number has every small integer, and not every large one.
            (Integer { small: true }, Float { double: true }) | (Float { double: true }, Integer { small: true }) => {
                Some(IdJoin::Plain)
            }
            // Numbers with decimals are written in several ways, and texts are taken as they are.
            (Integer { .. } | Numeric { decimals: false }, Text)
            | (Text, Integer { .. } | Numeric { decimals: false }) => Some(IdJoin::Text),
            (one, other) if one == other && matches!(one, Text | TypeFamily::Address) => Some(IdJoin::Text),
            _ => None,
        }
    }

    /// How ids of this type are written where they are joined with ids of another one.
    pub(crate) fn form_beside(&self, other: &ColumnType) -> Option<IdFormat> {
        let read_as_uuid = self.family() == TypeFamily::Text && other.family() == TypeFamily::Uuid;
        if read_as_uuid { Some(IdFormat::Uuid) } else { self.form().ok() }
    }

    /// The type, as SQL writes it.
    pub(crate) fn title(&self) -> &str {
        &self.title
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(of: Type, decimals: bool) -> ColumnType {
        let name = of.name().to_owned();
        ColumnType {
            column: "id".into(),
            oid: of.oid(),
            title: name.clone(),
            name,
            class: "b".into(),
            decimals,
            loose: false,
        }
    }

    #[test]
    fn columns_are_joined_where_equal_values_are_one_text() {
        let join = |one: Type, other: Type| {
            let (one, other) = (kind(one, true), kind(other, true));
            assert_eq!(one.join(&other), other.join(&one));
            one.join(&other)
        };
        assert_eq!(join(Type::FLOAT8, Type::FLOAT8), Some(IdJoin::Plain));
        assert_eq!(
            (join(Type::INT8, Type::NUMERIC), join(Type::INT4, Type::INT8)),
            (Some(IdJoin::Plain), Some(IdJoin::Plain))
        );
        assert_eq!(
            (join(Type::INT8, Type::TEXT), join(Type::BPCHAR, Type::VARCHAR)),
            (Some(IdJoin::Text), Some(IdJoin::Text))
        );
        assert_eq!(join(Type::UUID, Type::TEXT), Some(IdJoin::Uuid));
        for (one, other) in [
            (Type::NUMERIC, Type::TEXT),
            (Type::FLOAT4, Type::FLOAT8),
            (Type::FLOAT8, Type::NUMERIC),
            (Type::FLOAT8, Type::INT8),
            (Type::BYTEA, Type::TEXT),
            (Type::TIMESTAMP, Type::TIMESTAMPTZ),
            (Type::BOOL, Type::TEXT),
        ] {
            assert_eq!(join(one.clone(), other.clone()), None, "{one} and {other}");
        }
        assert_eq!(kind(Type::NUMERIC, false).join(&kind(Type::TEXT, false)), Some(IdJoin::Text));
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused() {
        for of in [Type::INTERVAL, Type::JSONB, Type::TEXT_ARRAY, Type::POINT, Type::REGCLASS, Type::INT4_RANGE] {
            assert!(kind(of.clone(), false).form().is_err(), "{of}");
        }
        let loose = ColumnType { loose: true, ..kind(Type::TEXT, false) };
        assert!(loose.form().unwrap_err().contains("nondeterministic"));
        let citext = ColumnType { oid: 20_000, name: "citext".into(), ..kind(Type::TEXT, false) };
        assert!(citext.form().unwrap_err().contains("citext"));
        assert_eq!([&loose, &citext].map(|of| of.id_text("id")), ["lower(id::text)"; 2]);
        assert_eq!([Type::JSON, Type::JSONB].map(|of| kind(of, false).id_text("id")), ["id #>> '{}'"; 2]);
        assert_eq!(kind(Type::INTERVAL, false).id_text("id"), "id::text");
        let label = ColumnType { oid: 20_001, class: "e".into(), ..kind(Type::TEXT, false) };
        assert_eq!(label.form(), Ok(IdFormat::Plain));
    }
}
