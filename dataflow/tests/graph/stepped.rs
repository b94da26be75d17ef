//! A stepped graph shows a tick when it is closed and settled.

use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::graph::History;
use dataflow::ids::Ids;
use dataflow::rules::Rules;
use dataflow::stepped::SteppedGraph;

#[test]
fn what_was_given_shows_when_its_tick_is_closed_and_settled() {
    let dictionary = Arc::new(Dictionary::new(Ids::new([1; 16])));
    let mut graph = SteppedGraph::new(Rules::default(), dictionary.clone(), 1000);
    let (ada, lamp) = (dictionary.user("ada"), dictionary.product("lamp").unwrap());
    graph.advance_to(100);
    graph.inputs().view(ada, lamp, 7);
    graph.settle();
    let shown = |graph: &SteppedGraph| {
        let (view, mut rows) = (graph.reader().view(ada), Vec::new());
        view.rows::<History>(&ada, &mut rows);
        (view.as_of(), rows.len())
    };
    assert_eq!(shown(&graph), (99, 0));
    graph.advance_to(200);
    assert_eq!(shown(&graph), (99, 0));
    graph.settle();
    assert_eq!((shown(&graph), graph.tick()), ((199, 1), 200));
    let mut rows = Vec::new();
    let early = graph.reader().view_as_of(ada, 99).expect("the tick before is still told apart");
    early.rows::<History>(&ada, &mut rows);
    assert_eq!((early.as_of(), rows.len()), (99, 0));
    assert!(graph.reader().view_as_of(ada, 200).is_none() && graph.reader().view_as_of(ada, 98).is_none());
}
