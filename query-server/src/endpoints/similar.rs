//! `GET /v1/products/{product}/similar`: the products that were viewed together with a product, or are like it.

use dataflow::freshness::InputKind;
use dataflow::index_reader::Kind;
use dataflow::merchandising::MerchList;
use hyper::Response;
use recommend::{Variant, Workspace};

use crate::answer;
use crate::answer::recommended::{Ending, Page, Subject};
use crate::answer::recommended_schemas::SimilarList;
use crate::body::Body;
use crate::buffers::{self, AnswerBuffers};
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope};
use crate::parameters::ParameterSet;
use crate::problem::{self, Problem};
use crate::read_state::ReadState;
use crate::request::ListRequest;

pub(crate) static ENDPOINT: Endpoint = Endpoint {
    label: "similar",
    paths: &["/v1/products/{product}/similar"],
    owner: Owner::Receiver,
    operations: &[Operation {
        parameters: ParameterSet::LongList,
        answers: &[Answer::json::<SimilarList>(200, "The similar products, most relevant first")],
        problems: &[problem::OF_LISTS, problem::OF_MODELS, &[Problem::UnknownProduct]],
        read_list: Some(answer),
        ..Operation::get(Scope::Read, "The products that users viewed together with a product, or that are like it")
    }],
};

/// The similar products as they are now.
fn answer(read: &ReadState, request: ListRequest<'_>) -> Result<Response<Body>, Problem> {
    let (reader, ListRequest { headers, of: product, parameters, is_shown }) = (&read.reader, request);
    let rules = reader.rules();
    if let Some(switch) = read.recommender.similar_switch() {
        return Err(Problem::ModelOff(switch));
    }
    let key = reader.dictionary().find_product(product).ok_or(Problem::UnknownProduct)?;
    buffers::with(|AnswerBuffers { out, as_of, names, workspace, answer_ids, .. }| {
        let workspace = workspace.get_or_insert_with(|| Workspace::new(rules));
        let view = reader.wide_view_any();
        let age = read.admit(view.as_of(), &[InputKind::Views], parameters)?;
        let ending = Ending::Whole { as_of: as_of.text(age.as_of), id: answer_ids.next() };
        let (subject, kind, names) =
            (Subject::Product(product), Kind::NonPersonalized, (names, &**reader.dictionary()));
        let explain = parameters.explain.then_some(&view);
        let online = read.online.as_ref().filter(|_| is_shown);
        if view.list_rules(MerchList::SimilarTo(key)).is_some() {
            let find = |size| read.recommender.all_similar(&view, key, size, workspace).to_vec();
            let list = view.arranged(MerchList::SimilarTo(key), parameters.limit, find, |row| row.product);
            let page = Page { subject, rows: &list.rows, moves: &list.moves, kind, ending };
            if let Some(online) = online {
                page.count(online, None, Variant::A);
            }
            page.write(out, names, explain);
        } else {
            let rows = read.recommender.similar(&view, key, parameters.limit, workspace);
            let page = Page { subject, rows, moves: &[], kind, ending };
            if let Some(online) = online {
                page.count(online, None, Variant::A);
            }
            page.write(out, names, explain);
        }
        Ok(answer::json(headers, out, age.missing.as_deref()))
    })
}
