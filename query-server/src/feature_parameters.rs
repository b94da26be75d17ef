//! Query parameters of features: whose, which, and how many entries of a map.

use dataflow::features::FEATURES;
use dataflow::ids::ID_BYTES_MAX;

use crate::parameter::Parameter;
use crate::problem::Problem;

/// The most entries of a map over products, categories or values.
pub(crate) const LIMIT_MAX: usize = 1000;

/// The default of `limit`.
pub(crate) const LIMIT_DEFAULT: usize = 100;

/// The most users whose features one client follows.
pub(crate) const FOLLOWED_USERS_MAX: usize = 100;

/// The most entries of a map that is followed: of all users together, as many as one request may ask for.
pub(crate) const FOLLOWED_LIMIT_MAX: usize = 100;

/// The default of `limit` for followed features.
pub(crate) const FOLLOWED_LIMIT_DEFAULT: usize = 10;

pub(crate) const NAMED: Parameter = Parameter::text(
    "features",
    "The names of the features to answer with, separated by commas; all that fit by default",
);
pub(crate) const LIMIT: Parameter = Parameter::number(
    "limit",
    "The most entries of a map over products, categories or values, from 1 to 1000; 100 by default",
);
pub(crate) const USERS: Parameter = Parameter::text(
    "users",
    "The users, at most 100, separated by commas; a comma or a backslash in an id has a backslash before it",
);
const FOLLOWED_LIMIT: Parameter = Parameter::number(
    "limit",
    "The most entries of a map over products, categories or values, from 1 to 100; 10 by default",
);

/// The parameters of features that are sent again when they change.
pub(crate) const OF_STREAM: &[Parameter] = &[USERS, NAMED, FOLLOWED_LIMIT];

/// The place of the feature with this name among all features.
///
/// # Errors
/// When there is none; the error names the nearest.
pub(crate) fn feature(name: &str) -> Result<usize, Problem> {
    let likeness = |known: &str| strsim::normalized_damerau_levenshtein(name, known);
    FEATURES.iter().position(|feature| feature.name == name).ok_or_else(|| {
        let names = FEATURES.iter().map(|feature| feature.name);
        Problem::UnknownFeature { nearest: names.max_by(|one, other| likeness(one).total_cmp(&likeness(other))) }
    })
}

/// The features of a list of names.
///
/// # Errors
/// When a name is unknown or given twice.
pub(crate) fn named(names: &str) -> Result<Vec<usize>, Problem> {
    let mut features = Vec::new();
    for name in names.split(',') {
        let feature = feature(name)?;
        if features.contains(&feature) {
            return Err(Problem::BadParameter { name: "features", must: "names of features, none twice".into() });
        }
        features.push(feature);
    }
    Ok(features)
}

/// The users of a list.
///
/// # Errors
/// When an id is empty or too long, or when there are too many.
pub(crate) fn users(list: &str) -> Result<Vec<String>, Problem> {
    let (mut users, mut rest) = (vec![String::new()], list.chars());
    while let Some(character) = rest.next() {
        match character {
            ',' => users.push(String::new()),
            '\\' => {
                let escaped = rest.next().filter(|next| [',', '\\'].contains(next)).ok_or_else(no_users)?;
                users.last_mut().ok_or_else(no_users)?.push(escaped);
            }
            other => users.last_mut().ok_or_else(no_users)?.push(other),
        }
    }
    let fits = users.len() <= FOLLOWED_USERS_MAX && users.iter().all(|id| (1..=ID_BYTES_MAX).contains(&id.len()));
    if fits { Ok(users) } else { Err(no_users()) }
}

/// The problem of a request whose `users` is missing or malformed.
pub(crate) fn no_users() -> Problem {
    let must = format!(
        "1 to {FOLLOWED_USERS_MAX} ids of 1 to {ID_BYTES_MAX} bytes, separated by commas; a comma or a backslash in an id \
         has a backslash before it"
    );
    Problem::BadParameter { name: USERS.name, must }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_separated_by_commas() {
        assert_eq!(users("ada").unwrap(), ["ada"]);
        assert_eq!(users(r"a\,b,c\\,,d".replace(",,", ",").as_str()).unwrap(), ["a,b", r"c\", "d"]);
        let many = |count: usize| vec!["x"; count].join(",");
        assert_eq!(users(&many(FOLLOWED_USERS_MAX)).unwrap().len(), FOLLOWED_USERS_MAX);
        for wrong in ["", ",", "a,", ",a", r"a\", r"a\b", &many(FOLLOWED_USERS_MAX + 1), &"x".repeat(ID_BYTES_MAX + 1)]
        {
            assert!(users(wrong).is_err(), "{wrong}");
        }
    }
}
