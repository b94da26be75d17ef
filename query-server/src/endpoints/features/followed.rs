//! The features of chosen users that one client follows: the rows of `POST /v1/features`, read again and again.

use std::sync::Arc;

use bytes::Bytes;
use hyper::Uri;
use hyper::header::{CONTENT_TYPE, HeaderMap};

use super::question::Question;
use super::{ENDPOINT, check_on, table};
use crate::answer::features::table::Layout;
use crate::operations::Operations;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::push::{Follows, SentTable, whole};

/// Users whose features are read for one client in each interval.
const USERS_IN_INTERVAL: usize = 10;

/// Features that one client follows.
pub(crate) struct FollowedFeatures {
    question: Arc<Question>,
    parameters: Parameters,
    headers: HeaderMap,
}

impl FollowedFeatures {
    /// The features that a request names.
    pub(crate) fn of(mut parameters: Parameters, mut headers: HeaderMap) -> FollowedFeatures {
        // Other processes are asked with a body of this server's own.
        headers.remove(CONTENT_TYPE);
        let question = Question {
            users: std::mem::take(&mut parameters.users),
            products: Vec::new(),
            features: std::mem::take(&mut parameters.features),
            demographics: false,
            layout: Layout::Rows,
            limit: parameters.limit,
        };
        FollowedFeatures { question: Arc::new(question), parameters, headers }
    }
}

impl Follows for FollowedFeatures {
    type Sent = SentTable;

    fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    fn intervals(&self) -> u64 {
        intervals(self.question.users.len())
    }

    fn is_elsewhere(&self, operations: &Operations) -> bool {
        table::has_users_elsewhere(&operations.read, &self.question)
    }

    async fn read(&self, operations: &Operations) -> Result<Bytes, Problem> {
        check_on(&operations.read)?;
        let target = Uri::from_static(ENDPOINT.paths[0]);
        let request = (&target, &self.headers);
        let table = table::answer(&operations.read, &self.question, self.parameters.clone(), request, None).await?;
        // The refusal of another process: it is asked again, as if it were away.
        if table.status().is_success() { Ok(whole(table)) } else { Err(Problem::Behind) }
    }
}

/// Intervals between two reads of so many users.
fn intervals(users: usize) -> u64 {
    u64::try_from(users.div_ceil(USERS_IN_INTERVAL)).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_costs_the_features_of_ten_users_in_each_interval() {
        assert_eq!([0, 1, 10, 11, 100].map(intervals), [1, 1, 1, 2, 10]);
    }
}
