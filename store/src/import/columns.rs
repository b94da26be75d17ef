//! The columns of a CSV file: which field each of them is.

use super::FileContent;
use crate::error::Fault;
use crate::kind::Kind;

/// Other names of the columns of a field, in the order of preference. A column is one field of a kind at most, so that
/// `product` is the name of a product only where another column has its id.
const ALIASES: [(Kind, &str, &[&str]); 18] = [
    (Kind::Products, "product_id", &["sku", "itemid", "productcode", "item", "product"]),
    (Kind::Products, "name", &["productname", "producttitle", "title", "itemname", "product", "item"]),
    (Kind::Products, "category_id", &["category", "productcategory"]),
    (Kind::Products, "price", &["unitprice", "productprice"]),
    (Kind::Products, "description", &["productdescription"]),
    (Kind::Products, "available", &["instock"]),
    (Kind::Categories, "category_id", &["category"]),
    (Kind::Categories, "name", &["categoryname"]),
    (Kind::Categories, "parent_id", &["parent", "parentcategory"]),
    (Kind::Users, "user_id", &["customerid", "clientid", "customer", "client", "user"]),
    (Kind::Users, "name", &["username", "customername", "clientname", "customer", "client", "user"]),
    (Kind::Users, "email", &["customeremail", "useremail"]),
    (Kind::Purchases, "purchase_id", &["orderid", "transactionid", "purchase", "order", "transaction"]),
    (Kind::Purchases, "user_id", &["customerid", "clientid", "customer", "client", "user"]),
    (
        Kind::Purchases,
        "created_at",
        &["purchasedat", "purchasedate", "purchasetime", "orderdate", "ordertime", "date", "timestamp"],
    ),
    (Kind::Purchases, "product_id", &["sku", "itemid", "productcode", "item", "product"]),
    (Kind::Purchases, "quantity", &["qty"]),
    (Kind::Purchases, "price", &["unitprice", "productprice"]),
];

/// A field of several kinds, which a table of a whole shop must name with its kind.
const UNCLEAR: &str = "name";

/// The columns of a file.
#[derive(Debug)]
pub(super) struct Columns {
    /// The names of the columns as the file gives them.
    pub(super) header: Vec<String>,
    /// The columns of each kind of the file's rows.
    pub(super) kinds: Vec<KindColumns>,
}

/// The columns of one kind.
#[derive(Debug)]
pub(super) struct KindColumns {
    pub(super) kind: Kind,
    /// The field of each column; none for a column of another kind or of none.
    pub(super) fields: Vec<Option<&'static str>>,
}

impl Columns {
    /// Finds the columns by their names in the first record.
    ///
    /// # Errors
    /// A mapping that does not fit the file, a field of two columns, and each field that is needed and has no column.
    pub(super) fn find<'h>(
        content: FileContent,
        map: &[(String, String)],
        header: impl Iterator<Item = &'h str>,
    ) -> Result<Columns, Vec<Fault>> {
        let header: Vec<String> = header.map(|name| name.trim().to_owned()).collect();
        let mut faults = faults_of_map(content, map, &header);
        let find = |kind: &Kind| KindColumns::find(content, *kind, map, &header, &mut faults);
        let kinds: Vec<KindColumns> = content.kinds().iter().map(find).collect();
        faults.dedup();
        for columns in &kinds {
            for field in columns.missing() {
                let fault = Fault::new(field, "has no column; the first line must name the columns");
                if !faults.contains(&fault) {
                    faults.push(fault);
                }
            }
        }
        if faults.is_empty() { Ok(Columns { header, kinds }) } else { Err(faults) }
    }

    /// The columns that are no field of any kind.
    pub(super) fn ignored(&self) -> Vec<String> {
        let is_ignored = |at: &usize| self.kinds.iter().all(|columns| columns.fields[*at].is_none());
        (0..self.header.len()).filter(is_ignored).map(|at| self.header[at].clone()).collect()
    }
}

impl KindColumns {
    fn find(
        content: FileContent,
        kind: Kind,
        map: &[(String, String)],
        header: &[String],
        faults: &mut Vec<Fault>,
    ) -> KindColumns {
        let mut fields: Vec<Option<&'static str>> =
            header.iter().map(|name| field_of(content, kind, target(map, name)?)).collect();
        let plain_names: Vec<String> = header.iter().map(|name| plain(name)).collect();
        for field in kind.columns() {
            if fields.iter().filter(|known| **known == Some(field)).count() > 1 {
                faults.push(Fault::new(field, "is given by two columns"));
            }
            if fields.contains(&Some(field)) {
                continue;
            }
            for name in names_of(content, kind, field) {
                let is_free = |at: &usize| fields[*at].is_none() && target(map, &header[*at]).is_none();
                let mut found = (0..header.len()).filter(|at| plain_names[*at] == name).filter(is_free);
                match (found.next(), found.next()) {
                    (Some(_), Some(_)) => faults.push(Fault::new(field, "is given by two columns")),
                    (Some(at), None) => {
                        fields[at] = Some(field);
                        break;
                    }
                    (None, _) => {}
                }
            }
        }
        KindColumns { kind, fields }
    }

    /// The fields that every row needs and that have no column.
    fn missing(&self) -> Vec<&'static str> {
        let own = self.kind.fields().iter().filter(|field| field.required && field.name != "lines");
        let line = (self.kind == Kind::Purchases).then_some("product_id");
        let can_do_without = |field: &str| field == "purchase_id" && self.has("created_at");
        own.map(|field| field.name).chain(line).filter(|field| !self.has(field) && !can_do_without(field)).collect()
    }

    /// Whether a column has this field.
    pub(super) fn has(&self, field: &str) -> bool {
        self.at(field).is_some()
    }

    /// The place of the column with this field.
    pub(super) fn at(&self, field: &str) -> Option<usize> {
        self.fields.iter().position(|known| *known == Some(field))
    }
}

/// What is wrong with the mapping.
fn faults_of_map(content: FileContent, map: &[(String, String)], header: &[String]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (column, field) in map {
        if !header.contains(column) {
            faults.push(Fault::new(column, "is mapped and is no column of the file"));
        }
        if content == FileContent::Shop && field == UNCLEAR {
            faults.push(Fault::new(field, "is a field of products and of users: write product.name or user.name"));
        } else if content.kinds().iter().all(|kind| field_of(content, *kind, field).is_none()) {
            let names: Vec<&str> = content.kinds().iter().flat_map(|kind| kind.columns()).collect();
            faults.push(Fault::new(field, format!("is no field; there are {}", names.join(", "))));
        }
    }
    faults
}

/// The field that `column` is mapped to.
fn target<'m>(map: &'m [(String, String)], column: &str) -> Option<&'m str> {
    map.iter().find(|(from, _)| from == column).map(|(_, field)| field.as_str())
}

/// The field of `kind` that a mapping names, alone or behind the kind.
fn field_of(content: FileContent, kind: Kind, name: &str) -> Option<&'static str> {
    let own = name.strip_prefix(kind.singular()).and_then(|rest| rest.strip_prefix('.'));
    let name = match own {
        Some(own) => own,
        None if content == FileContent::Shop && name == UNCLEAR => return None,
        None => name,
    };
    kind.columns().into_iter().find(|field| *field == name)
}

/// The names of columns of a field, in the order of preference.
fn names_of(content: FileContent, kind: Kind, field: &str) -> impl Iterator<Item = String> {
    let own = (content != FileContent::Shop || field != UNCLEAR).then(|| plain(field));
    let others = ALIASES.iter().find(|(of, known, _)| *of == kind && *known == field).map(|(_, _, names)| *names);
    own.into_iter().chain(others.unwrap_or_default().iter().map(|name| (*name).to_owned()))
}

/// The letters and digits of a name, in lower case: `Product ID`, `product_id` and `ProductId` are one name.
fn plain(name: &str) -> String {
    name.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(content: FileContent, map: &[(&str, &str)], header: &str) -> Result<Columns, Vec<Fault>> {
        let map: Vec<(String, String)> = map.iter().map(|(from, to)| ((*from).into(), (*to).into())).collect();
        Columns::find(content, &map, header.split(','))
    }

    fn faults(content: FileContent, map: &[(&str, &str)], header: &str) -> Vec<String> {
        find(content, map, header).expect_err("the header is wrong").into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn columns_are_found_by_the_names_of_fields_by_other_names_and_by_the_map() {
        let products = FileContent::Rows(Kind::Products);
        let found = find(products, &[("Nr", "price")], "Product ID,product,Category,Nr,price,colour").unwrap();
        let fields = [Some("product_id"), Some("name"), Some("category_id"), Some("price"), None, None];
        assert_eq!(found.kinds[0].fields, fields);
        assert_eq!(found.ignored(), ["price", "colour"]);
        assert_eq!(find(products, &[], "product").unwrap().kinds[0].fields, [Some("product_id")]);
        assert_eq!(faults(products, &[], "name"), ["product_id"]);
        assert_eq!(faults(products, &[], "product_id,Product ID"), ["product_id", "product_id"]);
        assert_eq!(faults(products, &[("a", "product_id"), ("b", "product_id")], "a,b"), ["product_id"]);
        assert_eq!(faults(products, &[("x", "colour")], "product_id"), ["x", "colour"]);
    }

    #[test]
    fn a_table_of_a_whole_shop_has_the_columns_of_every_kind() {
        let header = "customer,customer_name,product,product_name,category,price,purchase,date";
        let found = find(FileContent::Shop, &[], header).unwrap();
        let fields = |kind: usize| found.kinds[kind].fields.iter().flatten().copied().collect::<Vec<_>>();
        assert_eq!(fields(0), ["product_id", "name", "category_id", "price"]);
        assert_eq!(fields(1), ["user_id", "name"]);
        assert_eq!(fields(2), ["user_id", "product_id", "price", "purchase_id", "created_at"]);
        assert_eq!(found.ignored(), [""; 0]);
        assert!(find(FileContent::Shop, &[("n", "product.name")], "customer,product,date,n").is_ok());
        assert_eq!(faults(FileContent::Shop, &[("n", "name")], "customer,product,date,n"), ["name"]);
        assert_eq!(faults(FileContent::Shop, &[], "customer,product"), ["purchase_id"]);
        assert_eq!(faults(FileContent::Shop, &[], "category"), ["product_id", "user_id", "purchase_id"]);
    }
}
