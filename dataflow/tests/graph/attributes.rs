//! Views by attribute are unknown until the attributes of products are read.

use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::ids::Ids;
use dataflow::product_attributes::ProductAttributes;
use dataflow::rules::{Features, KeyNames, Rules};
use dataflow::stepped::SteppedGraph;
use dataflow::tables::Interaction;

#[test]
fn nothing_is_said_of_attributes_before_they_are_read_unless_none_are_named() {
    let dictionary = Arc::new(Dictionary::new(Ids::new([1; 16])));
    let ada = dictionary.user("ada");
    let graph = |attributes| {
        let features = Features { enabled: true, attributes, ..Features::OFF };
        SteppedGraph::new(Rules { features, ..Rules::default() }, dictionary.clone(), 1000)
    };
    let views = |graph: &SteppedGraph| {
        let sums = Some(graph.reader().attributes());
        graph.reader().view(ada).features(ada, sums).attribute_views
    };
    assert_eq!(views(&graph(KeyNames::NONE)), Some(Vec::new()));
    let mut named = graph(KeyNames::of(&["colour"]));
    assert_eq!(views(&named), Some(Vec::new()), "without views");
    let view = Interaction::View { time_on_page_ms: None };
    named.inputs().interaction(ada, dictionary.product("lamp").unwrap(), view, 7);
    named.advance_to(10);
    named.settle();
    assert_eq!(views(&named), None);
    named.reader().attributes().put(ProductAttributes::of([]));
    assert_eq!(views(&named), Some(Vec::new()));
}
