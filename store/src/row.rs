//! Typed rows, read from JSON or cells, and written as JSON.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::bounds::Bounds;
use crate::error::Fault;
use crate::given::{Given, time_text};
use crate::kind::{self, Kind};
use crate::reader::{FieldReader, Members};
use crate::{Millis, merge};

/// The bytes of a tag that tells two states of a row apart.
const TAG_BYTES: usize = 12;

/// A row of any kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Row {
    /// A product.
    Product(Product),
    /// A category.
    Category(Category),
    /// A user.
    User(User),
    /// A purchase.
    Purchase(Purchase),
}

/// A product.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "`Kind::fields` documents each field")]
pub struct Product {
    pub product_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Map<String, Value>>,
    pub available: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding: Option<Vec<f32>>,
}

/// A category.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "`Kind::fields` documents each field")]
pub struct Category {
    pub category_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "`Kind::fields` documents each field")]
pub struct User {
    pub user_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub demographics: Option<Map<String, Value>>,
}

/// A purchase.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "`Kind::fields` documents each field")]
pub struct Purchase {
    pub purchase_id: String,
    pub user_id: String,
    #[serde(serialize_with = "as_time")]
    pub created_at: Millis,
    pub status: Status,
    pub lines: Vec<Line>,
}

/// Whether a purchase counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It counts.
    Placed,
    /// It does not.
    Cancelled,
}

impl Status {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        if self == Status::Cancelled { "cancelled" } else { "placed" }
    }
}

/// A line of a purchase.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "`Kind::fields` documents each field")]
pub struct Line {
    pub product_id: String,
    pub quantity: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    pub returned: bool,
}

fn as_time<S: Serializer>(millis: &Millis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time_text(*millis))
}

impl Row {
    /// A row from JSON. With an `id`, the row has this id, and the JSON need not name it.
    ///
    /// # Errors
    /// Every field at fault.
    pub fn from_json(kind: Kind, id: Option<&str>, json: &[u8], bounds: &Bounds) -> Result<Row, Vec<Fault>> {
        let text = std::str::from_utf8(json).map_err(|_| vec![Fault::new("", "must be UTF-8")])?;
        let Members(members) = Members::read(text).map_err(|fault| vec![fault])?;
        let named = members.iter().any(|(name, _)| name == kind.key());
        let own = id.filter(|_| !named).map(|id| (kind.key().to_owned(), Given::Cell(id)));
        let members = members.into_iter().map(|(name, raw)| (name, Given::Json(raw)));
        let row = Row::read(kind, members.chain(own), bounds)?;
        match id {
            Some(id) if id != row.id() => Err(vec![Fault::new(kind.key(), "must be the id of the path")]),
            _ => Ok(row),
        }
    }

    /// A row from named cells that give a value. The lines of a purchase are no cells.
    ///
    /// # Errors
    /// Every field at fault.
    pub(crate) fn from_cells<'a>(
        kind: Kind,
        cells: impl Iterator<Item = (&'a str, &'a str)>,
        bounds: &Bounds,
    ) -> Result<Row, Vec<Fault>> {
        Row::read(kind, cells.map(|(name, cell)| (name.to_owned(), Given::Cell(cell))), bounds)
    }

    /// A purchase with one line, from named cells of both that give a value.
    pub(crate) fn of_one_line<'a>(
        cells: impl Iterator<Item = (&'a str, &'a str)>,
        bounds: &Bounds,
    ) -> Result<Row, Vec<Fault>> {
        let fields = Kind::Purchases.fields();
        let cells = cells.map(|(name, cell)| (name.to_owned(), Given::Cell(cell)));
        let (own, of_line): (Vec<_>, Vec<_>) =
            cells.partition(|(name, _)| fields.iter().any(|field| field.name == name));
        let mut reader = FieldReader::new(fields, own, bounds, String::new());
        let mut line = FieldReader::new(kind::LINE, of_line, bounds, String::new());
        let purchase = Purchase { lines: vec![Line::read(&mut line)], ..Purchase::head(&mut reader) };
        let mut faults = reader.faults;
        faults.append(&mut line.faults);
        if faults.is_empty() { Ok(Row::Purchase(purchase)) } else { Err(faults) }
    }

    /// The cells of the row under these names, none where the row has no value; of a purchase, those of one of its lines.
    #[must_use]
    pub fn cells(&self, line: usize, names: &[&str]) -> Vec<Option<String>> {
        let value = serde_json::to_value(self).expect("rows are plain data");
        let of_line = value.get("lines").and_then(|lines| lines.get(line));
        let find = |name: &str| value.get(name).or_else(|| of_line?.get(name));
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        names.iter().map(|name| find(name).map(text)).collect()
    }

    fn read<'a>(
        kind: Kind,
        members: impl IntoIterator<Item = (String, Given<'a>)>,
        bounds: &'a Bounds,
    ) -> Result<Row, Vec<Fault>> {
        let mut reader = FieldReader::new(kind.fields(), members, bounds, String::new());
        let row = match kind {
            Kind::Products => Row::Product(Product::read(&mut reader)),
            Kind::Categories => Row::Category(Category::read(&mut reader)),
            Kind::Users => Row::User(User::read(&mut reader)),
            Kind::Purchases => Row::Purchase(Purchase::read(&mut reader)),
        };
        if reader.faults.is_empty() { Ok(row) } else { Err(reader.faults) }
    }

    /// The row after a merge patch of RFC 7396.
    ///
    /// # Errors
    /// Every field at fault, of the patch or of the row that it would make.
    pub fn patched(&self, patch: &[u8], bounds: &Bounds) -> Result<Row, Vec<Fault>> {
        let merged = merge::merge(&self.json(), patch).map_err(|fault| vec![fault])?;
        Row::from_json(self.kind(), Some(self.id()), merged.as_bytes(), bounds)
    }

    /// The row's kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Row::Product(_) => Kind::Products,
            Row::Category(_) => Kind::Categories,
            Row::User(_) => Kind::Users,
            Row::Purchase(_) => Kind::Purchases,
        }
    }

    /// The row's id.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Row::Product(row) => &row.product_id,
            Row::Category(row) => &row.category_id,
            Row::User(row) => &row.user_id,
            Row::Purchase(row) => &row.purchase_id,
        }
    }

    /// A category without any field but its id: the one that a product names.
    pub(crate) fn category(&self) -> Option<Row> {
        let Row::Product(Product { category_id: Some(category), .. }) = self else { return None };
        Some(Row::Category(Category { category_id: category.clone(), name: None, parent_id: None }))
    }

    /// The row as a purchase, if it is one.
    pub(crate) fn purchase(&self) -> Option<&Purchase> {
        if let Row::Purchase(purchase) = self { Some(purchase) } else { None }
    }

    /// The row as JSON. Equal rows give equal texts.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("rows are plain data")
    }
}

/// The tag of a row's JSON: equal for equal rows, as good as never for others.
pub(crate) fn tag(json: &str) -> String {
    Sha256::digest(json).iter().take(TAG_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

impl Product {
    fn read(reader: &mut FieldReader<'_>) -> Product {
        Product {
            product_id: reader.text("product_id").unwrap_or_default(),
            name: reader.text("name"),
            category_id: reader.text("category_id"),
            price: reader.text("price"),
            description: reader.text("description"),
            attributes: reader.object("attributes"),
            available: reader.truth("available").unwrap_or(true),
            embedding: reader.numbers("embedding"),
        }
    }
}

impl Category {
    fn read(reader: &mut FieldReader<'_>) -> Category {
        Category {
            category_id: reader.text("category_id").unwrap_or_default(),
            name: reader.text("name"),
            parent_id: reader.text("parent_id"),
        }
    }
}

impl User {
    fn read(reader: &mut FieldReader<'_>) -> User {
        User {
            user_id: reader.text("user_id").unwrap_or_default(),
            name: reader.text("name"),
            email: reader.text("email"),
            demographics: reader.object("demographics"),
        }
    }
}

impl Purchase {
    fn read(reader: &mut FieldReader<'_>) -> Purchase {
        Purchase { lines: reader.rows("lines", Line::read), ..Purchase::head(reader) }
    }

    /// A purchase without its lines.
    fn head(reader: &mut FieldReader<'_>) -> Purchase {
        let cancelled = reader.text("status").is_some_and(|word| word == Status::Cancelled.word());
        Purchase {
            purchase_id: reader.text("purchase_id").unwrap_or_default(),
            user_id: reader.text("user_id").unwrap_or_default(),
            created_at: reader.time("created_at").unwrap_or(reader.now()),
            status: if cancelled { Status::Cancelled } else { Status::Placed },
            lines: Vec::new(),
        }
    }
}

impl Line {
    fn read(reader: &mut FieldReader<'_>) -> Line {
        Line {
            product_id: reader.text("product_id").unwrap_or_default(),
            quantity: reader.whole("quantity").unwrap_or(1),
            price: reader.text("price"),
            returned: reader.truth("returned").unwrap_or(false),
        }
    }
}
