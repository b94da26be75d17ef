//! The products and quantities of a purchase.

use super::*;

/// Products and quantities of a purchase with these fields.
fn purchased(fields: &str) -> Vec<(String, u64)> {
    let line = format!(r#"{{"event_type":"purchase","user_id":1{fields}}}"#);
    let event = accepted(&line);
    assert_eq!(event.product.is_none(), !event.items.is_empty());
    let product = event.product.map(|product| (product.into_owned(), 1));
    product.into_iter().chain(event.items.into_iter().map(|item| (item.product.into_owned(), item.quantity))).collect()
}

#[test]
fn a_purchase_names_one_product_or_several_items() {
    let items =
        r#","items":[{"product_id":393,"quantity":2},{"price":9.5,"product_id":"a\u00e9"}],"metadata":{"order_id":7}"#;
    let expected = [("393".to_owned(), 2), ("aé".to_owned(), 1)];
    assert_eq!(purchased(items), expected);
    assert_eq!(purchased(&format!(r#","product_id":[]{items}"#)), expected, "what the items say counts");
    for none in ["", r#","items":null"#, r#","items":[]"#] {
        assert_eq!(purchased(&format!(r#","product_id":"p"{none}"#)), [("p".to_owned(), 1)]);
    }
    let old = r#"{"event":"Purchase","userid":1,"properties":{},"items":[{"product_id":2}]}"#;
    assert_eq!(accepted(old).items, [PurchasedItem { product: "2".into(), quantity: 1 }]);
    for (items, reason, field) in [
        ("7", "wrong_type", "items"),
        ("[7]", "wrong_type", "items"),
        (r#"[{"quantity":1}]"#, "missing_field", "items.product_id"),
        (r#"[{"product_id":""}]"#, "empty_id", "items.product_id"),
        (r#"[{"product_id":1,"quantity":-1}]"#, "wrong_type", "items.quantity"),
    ] {
        let line = format!(r#"{{"event_type":"purchase","user_id":1,"product_id":1,"items":{items}}}"#);
        assert_eq!(refused(&line), (reason, Some(field)), "{line}");
        let view = line.replace("purchase", "view");
        assert_eq!(accepted(&view).items, [], "an extra field");
    }
}
