//! Query parameters: known ones only, each once, each within its bounds.

use std::borrow::Cow;
use std::time::Duration;

use dataflow::feed::Position;
use dataflow::rules::Rules;
use percent_encoding::percent_decode_str;
use recommend::Page;
use store::Kind;

use crate::feature_parameters;
use crate::ids::is_well_formed;
use crate::parameter::Parameter;
use crate::problem::Problem;
use crate::row_parameters::{self, RowParameters};
use crate::token;
use crate::transfer_parameters::{self, TransferParameters};

/// The parameters that an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParameterSet {
    /// Those of a list: `limit`, `after`, `wait_ms`, `explain`, `max_staleness_ms`.
    List,
    /// The same for a list of the shadow.
    ShadowList,
    /// The same for a list that may be longer than the others.
    LongList,
    /// Those of a long list, and `context`.
    ForYou,
    /// Those of a list whose request has a body with its limit.
    Question,
    /// Those of one user's features: `features`, `limit`, `after`, `wait_ms`, `max_staleness_ms`.
    Features,
    /// Those of a table whose request has a body: `after`, `wait_ms`, `max_staleness_ms`.
    Table,
    /// Those of a write that can follow another write: `after`, `wait_ms`.
    Wait,
    /// Those of a list that is sent again when it changes: `limit`.
    Pushed,
    /// The same of best sellers: `category`, `limit`.
    PushedBestSellers,
    /// Those of features that are sent again when they change: `users`, `features`, `limit`.
    PushedFeatures,
    /// Those of a page of the shop's rows.
    Rows(Kind),
    /// Those of an import of such rows.
    Import,
    /// Those of an export of such rows.
    Export,
    /// None.
    Nothing,
}

const LIMIT: Parameter = Parameter::number(
    "limit",
    "The most products to answer with, from 1 to the size of the lists, which is the default",
);
const LONG_LIMIT: Parameter = Parameter::number(
    "limit",
    "The most products to answer with, from 1 to 100; the default is the size of the other lists",
);
const CONTEXT: Parameter = Parameter::text(
    "context",
    "The kind of page: home (the default), product or basket; the settings name the sources of each",
);
const CATEGORY: Parameter = Parameter::text("category", "The category; without it, the list is over all products");
const AFTER: Parameter =
    Parameter::text("after", "The token in the answer to a write: the request waits until that write is visible");
const WAIT_MS: Parameter =
    Parameter::number("wait_ms", "The longest wait for `after`, in milliseconds; after it the answer is 503");
const EXPLAIN: Parameter =
    Parameter::flag("explain", "Whether to add, for each product, the row that put it into the list");
const MAX_STALENESS_MS: Parameter = Parameter::number(
    "max_staleness_ms",
    "The oldest state to answer from, in milliseconds; an older state is answered with 503",
);

/// The most products of a long list.
pub(crate) const LONG_LIST_MAX: usize = 100;

/// The largest `max_staleness_ms`: the largest whole number that every JSON number of that size stands for exactly.
pub(crate) const STALENESS_MS_MAX: u64 = (1 << 53) - 1;

/// The bounds of parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParameterBounds {
    /// The largest, and default, `limit`.
    pub(crate) list_size: usize,
    /// The same for lists of the shadow.
    pub(crate) shadow_list_size: usize,
    /// The largest, and default, `wait_ms`.
    pub(crate) wait_ms_max: u64,
}

impl ParameterBounds {
    /// The bounds of lists by these rules.
    pub(crate) fn new(rules: &Rules, wait_ms_max: u64) -> ParameterBounds {
        let (list_size, shadow_list_size) = (rules.list_size, rules.of_shadow().list_size);
        ParameterBounds { list_size, shadow_list_size, wait_ms_max }
    }
}

/// The query parameters of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// The most products to answer with.
    pub(crate) limit: usize,
    /// The positions that must be visible first.
    pub(crate) after: Option<Vec<Position>>,
    /// How long to wait for them.
    pub(crate) wait: Duration,
    /// Whether to add the rows that put the products into the list.
    pub(crate) explain: bool,
    /// The oldest state to answer from.
    pub(crate) staleness_ms_max: Option<u64>,
    /// The kind of page.
    pub(crate) page: Page,
    /// The features to answer with, by their places among all features; empty if none is named.
    pub(crate) features: Vec<usize>,
    /// The users whose features are followed.
    pub(crate) users: Vec<String>,
    /// Which of the shop's rows; of best sellers, only the category.
    pub(crate) rows: RowParameters,
    /// How rows are imported or exported.
    pub(crate) transfer: TransferParameters,
}

impl Parameters {
    /// Reads a query.
    ///
    /// # Errors
    /// On an unknown, repeated or malformed parameter.
    pub(crate) fn read(query: Option<&str>, set: ParameterSet, bounds: ParameterBounds) -> Result<Parameters, Problem> {
        let mut parameters = Parameters {
            limit: set.limits(bounds).0,
            after: None,
            wait: Duration::from_millis(bounds.wait_ms_max),
            explain: false,
            staleness_ms_max: None,
            page: Page::Home,
            features: Vec::new(),
            users: Vec::new(),
            rows: RowParameters::default(),
            transfer: TransferParameters::default(),
        };
        // `?` alone is an empty query, which is the same as none.
        if let Some(query) = query.filter(|query| !query.is_empty()) {
            parameters.read_pairs(query, set, bounds)?;
        }
        if set == ParameterSet::PushedFeatures && parameters.users.is_empty() {
            return Err(feature_parameters::no_users());
        }
        Ok(parameters)
    }

    fn read_pairs(&mut self, query: &str, set: ParameterSet, bounds: ParameterBounds) -> Result<(), Problem> {
        let limit_max = set.limits(bounds).1;
        let mut seen = Vec::with_capacity(6);
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = set.find(&decode(name)?).ok_or(Problem::UnknownParameter(set.names()))?;
            if seen.contains(&name) {
                return Err(Problem::RepeatedParameter(name));
            }
            seen.push(name);
            self.set(name, &decode(value)?, limit_max, bounds)?;
        }
        if seen.contains(&"wait_ms") && self.after.is_none() {
            return Err(Problem::BadParameter { name: "wait_ms", must: "given together with after".into() });
        }
        Ok(())
    }

    fn set(
        &mut self,
        name: &'static str,
        value: &str,
        limit_max: usize,
        bounds: ParameterBounds,
    ) -> Result<(), Problem> {
        let bad = |must: String| Problem::BadParameter { name, must };
        match name {
            "limit" => {
                let most = limit_max;
                let limit = number(value).and_then(|limit| usize::try_from(limit).ok());
                self.limit = limit
                    .filter(|limit| (1..=most).contains(limit))
                    .ok_or_else(|| bad(format!("a whole number from 1 to {most}")))?;
            }
            "wait_ms" => {
                let most = bounds.wait_ms_max;
                let wait_ms = number(value).filter(|wait_ms| *wait_ms <= most);
                let wait_ms = wait_ms.ok_or_else(|| bad(format!("a whole number from 0 to {most}")))?;
                self.wait = Duration::from_millis(wait_ms);
            }
            "max_staleness_ms" => {
                let most = STALENESS_MS_MAX;
                let staleness_ms = number(value).filter(|staleness_ms| *staleness_ms <= most);
                self.staleness_ms_max =
                    Some(staleness_ms.ok_or_else(|| bad(format!("a whole number from 0 to {most}")))?);
            }
            "after" => {
                self.after =
                    Some(token::decode(value).ok_or_else(|| bad("a token that a write answered with".into()))?);
            }
            "explain" => {
                self.explain = value.parse().map_err(|_| bad("true or false".into()))?;
            }
            "context" => {
                self.page = Page::find(value).ok_or_else(|| bad(format!("one of {}", Page::WORDS.join(", "))))?;
            }
            "features" => self.features = feature_parameters::named(value)?,
            "users" => self.users = feature_parameters::users(value)?,
            "mode" | "dry_run" | "map" | "format" => self.transfer.set(name, value)?,
            _ => self.rows.set(name, value)?,
        }
        Ok(())
    }
}

impl ParameterSet {
    /// The default and the largest `limit`.
    pub(crate) fn limits(self, bounds: ParameterBounds) -> (usize, usize) {
        match self {
            ParameterSet::List | ParameterSet::Pushed | ParameterSet::PushedBestSellers => {
                (bounds.list_size, bounds.list_size)
            }
            ParameterSet::ShadowList => (bounds.shadow_list_size, bounds.shadow_list_size),
            ParameterSet::Rows(_) => (row_parameters::LIMIT, row_parameters::LIMIT_MAX),
            ParameterSet::Features => (feature_parameters::LIMIT_DEFAULT, feature_parameters::LIMIT_MAX),
            ParameterSet::PushedFeatures => {
                (feature_parameters::FOLLOWED_LIMIT_DEFAULT, feature_parameters::FOLLOWED_LIMIT_MAX)
            }
            _ => (bounds.list_size, LONG_LIST_MAX),
        }
    }

    /// The parameters of the set.
    pub(crate) fn parameters(self) -> &'static [Parameter] {
        match self {
            ParameterSet::List | ParameterSet::ShadowList => &[LIMIT, AFTER, WAIT_MS, EXPLAIN, MAX_STALENESS_MS],
            ParameterSet::LongList => &[LONG_LIMIT, AFTER, WAIT_MS, EXPLAIN, MAX_STALENESS_MS],
            ParameterSet::ForYou => &[LONG_LIMIT, AFTER, WAIT_MS, EXPLAIN, MAX_STALENESS_MS, CONTEXT],
            ParameterSet::Question => &[AFTER, WAIT_MS, EXPLAIN, MAX_STALENESS_MS],
            ParameterSet::Features => {
                &[feature_parameters::NAMED, feature_parameters::LIMIT, AFTER, WAIT_MS, MAX_STALENESS_MS]
            }
            ParameterSet::Table => &[AFTER, WAIT_MS, MAX_STALENESS_MS],
            ParameterSet::Wait => &[AFTER, WAIT_MS],
            ParameterSet::Pushed => &[LIMIT],
            ParameterSet::PushedBestSellers => &[CATEGORY, LIMIT],
            ParameterSet::PushedFeatures => feature_parameters::OF_STREAM,
            ParameterSet::Rows(kind) => row_parameters::of(kind).0,
            ParameterSet::Import => transfer_parameters::OF_IMPORT.0,
            ParameterSet::Export => transfer_parameters::OF_EXPORT.0,
            ParameterSet::Nothing => &[],
        }
    }

    /// Whether a request without this parameter is refused.
    pub(crate) fn needs(self, name: &str) -> bool {
        self == ParameterSet::PushedFeatures && name == feature_parameters::USERS.name
    }

    fn find(self, name: &str) -> Option<&'static str> {
        self.parameters().iter().map(|known| known.name).find(|known| *known == name)
    }

    fn names(self) -> &'static str {
        match self {
            ParameterSet::List | ParameterSet::ShadowList | ParameterSet::LongList => {
                "limit, after, wait_ms, explain and max_staleness_ms"
            }
            ParameterSet::ForYou => "limit, after, wait_ms, explain, max_staleness_ms and context",
            ParameterSet::Question => "after, wait_ms, explain and max_staleness_ms",
            ParameterSet::Features => "features, limit, after, wait_ms and max_staleness_ms",
            ParameterSet::Table => "after, wait_ms and max_staleness_ms",
            ParameterSet::Wait => "after and wait_ms",
            ParameterSet::Pushed => "limit",
            ParameterSet::PushedBestSellers => "category and limit",
            ParameterSet::PushedFeatures => "users, features and limit",
            ParameterSet::Rows(kind) => row_parameters::of(kind).1,
            ParameterSet::Import => transfer_parameters::OF_IMPORT.1,
            ParameterSet::Export => transfer_parameters::OF_EXPORT.1,
            ParameterSet::Nothing => "none",
        }
    }
}

/// A whole number without sign or blanks.
fn number(value: &str) -> Option<u64> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| value.parse().ok()).flatten()
}

fn decode(text: &str) -> Result<Cow<'_, str>, Problem> {
    let malformed = || Problem::BadPath("the query is not percent-encoded correctly");
    if !is_well_formed(text) {
        return Err(malformed());
    }
    percent_decode_str(text).decode_utf8().map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, set: ParameterSet) -> Result<Parameters, Problem> {
        Parameters::read(Some(query), set, ParameterBounds { list_size: 10, shadow_list_size: 20, wait_ms_max: 5000 })
    }

    #[test]
    fn known_parameters_are_read() {
        let token = token::encode(vec![Position::new("views", 0, 5)]);
        let read = read(&format!("limit=3&explain=true&after={token}&wait%5Fms=0"), ParameterSet::List).unwrap();
        assert_eq!((read.limit, read.explain, read.wait), (3, true, Duration::ZERO));
        assert_eq!(read.after.unwrap()[0].next, 5);
    }

    #[test]
    fn everything_else_is_an_error() {
        for query in [
            "&",
            "limit",
            "limit=",
            "limit=0",
            "limit=11",
            "limit=-1",
            "limit=+1",
            "limit=1.0",
            "limit= 1",
            "limit=99999999999999999999",
            "max_staleness_ms=9007199254740992",
            "limit=1&limit=1",
            "explain=1",
            "explain=",
            "explain=True",
            "after=",
            "after=zz",
            "wait_ms=10",
            "limits=1",
            "LIMIT=1",
            "limit=1&",
            "user=1",
            "limit=%",
            "limit=%FF",
            "limit=1&x",
        ] {
            assert!(read(query, ParameterSet::List).is_err(), "{query}");
        }
        assert_eq!(read("limit=20", ParameterSet::ShadowList).unwrap().limit, 20);
        assert_eq!(read("limit=100", ParameterSet::LongList).unwrap().limit, 100);
        assert_eq!(read("context=basket&limit=11", ParameterSet::ForYou).unwrap().page, Page::Basket);
        assert_eq!(read("explain=true", ParameterSet::ForYou).unwrap().limit, 10);
        for (query, set) in [
            ("limit=101", ParameterSet::LongList),
            ("context=home", ParameterSet::LongList),
            ("context=", ParameterSet::ForYou),
            ("context=Home", ParameterSet::ForYou),
            ("limit=1", ParameterSet::Question),
        ] {
            assert!(read(query, set).is_err(), "{query}");
        }
        assert!(read("limit=1", ParameterSet::Wait).is_err());
        assert!(read("limit=1", ParameterSet::Nothing).is_err());
        assert!(read("=", ParameterSet::Nothing).is_err());
    }

    #[test]
    fn an_empty_query_is_as_none() {
        for set in [ParameterSet::List, ParameterSet::Rows(Kind::Products), ParameterSet::Nothing] {
            let bounds = ParameterBounds { list_size: 10, shadow_list_size: 20, wait_ms_max: 5000 };
            assert_eq!(read("", set), Parameters::read(None, set, bounds), "{set:?}");
            assert!(read("", set).is_ok(), "{set:?}");
        }
        assert!(read("", ParameterSet::PushedFeatures).is_err(), "users are missing");
    }

    #[test]
    fn waits_are_bounded() {
        let token = token::encode(vec![Position::new("views", 0, 5)]);
        assert!(read(&format!("after={token}&wait_ms=5000"), ParameterSet::Wait).is_ok());
        assert!(read(&format!("after={token}&wait_ms=5001"), ParameterSet::Wait).is_err());
    }
}
