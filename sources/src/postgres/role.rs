//! The words of `target_session_attrs` that the driver does not know: whether a server has to be the primary or a copy.

/// What a server is asked to be, beyond what the driver sees to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Any,
    Primary,
    Standby,
    /// A standby if there is one, else any.
    PreferStandby,
}

const KEY: &str = "target_session_attrs";

const WORDS: [(&str, Role); 3] =
    [("primary", Role::Primary), ("standby", Role::Standby), ("prefer-standby", Role::PreferStandby)];

/// The connection string as the driver takes it, and what it asks for besides.
pub(super) fn split(url: &str) -> (String, Role) {
    let found = url.find(KEY).and_then(|at| {
        let value = at + KEY.len();
        let from = value + url[value..].find(|c: char| c != '=' && c != ' ' && c != '\'')?;
        let to = url[from..].find(|c: char| !c.is_ascii_alphanumeric() && c != '-').map_or(url.len(), |end| from + end);
        let (_, role) = WORDS.into_iter().find(|(word, _)| *word == &url[from..to])?;
        Some((format!("{}any{}", &url[..from], &url[to..]), role))
    });
    found.unwrap_or_else(|| (url.to_owned(), Role::Any))
}

impl Role {
    /// In which order servers are asked for what.
    pub(super) fn rounds(self) -> &'static [Role] {
        match self {
            Role::Any => &[Role::Any],
            Role::Primary => &[Role::Primary],
            Role::Standby => &[Role::Standby],
            Role::PreferStandby => &[Role::Standby, Role::Any],
        }
    }

    /// Why a server is none of these; `is_standby`: what it is.
    pub(super) fn refuses(self, is_standby: bool) -> Option<&'static str> {
        match (self, is_standby) {
            (Role::Primary, true) => Some("the server is a standby, and target_session_attrs asks for a primary"),
            (Role::Standby, false) => Some("the server is no standby, and target_session_attrs asks for one"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_the_driver_does_not_know_are_taken_out() {
        for (url, left, role) in [
            (
                "postgresql://u@a,b/d?target_session_attrs=primary",
                "postgresql://u@a,b/d?target_session_attrs=any",
                Role::Primary,
            ),
            (
                "host=a target_session_attrs = 'standby' user=u",
                "host=a target_session_attrs = 'any' user=u",
                Role::Standby,
            ),
            ("u?target_session_attrs=prefer-standby&port=1", "u?target_session_attrs=any&port=1", Role::PreferStandby),
            ("u?target_session_attrs=read-write", "u?target_session_attrs=read-write", Role::Any),
            ("u?target_session_attrs=primaries", "u?target_session_attrs=primaries", Role::Any),
            ("u?target_session_attrs=", "u?target_session_attrs=", Role::Any),
            ("host=a", "host=a", Role::Any),
        ] {
            assert_eq!(split(url), (left.to_owned(), role), "{url}");
        }
    }

    #[test]
    fn a_server_of_the_other_kind_is_refused_and_a_preference_takes_any_in_the_end() {
        assert!(Role::Primary.refuses(true).is_some() && Role::Primary.refuses(false).is_none());
        assert!(Role::Standby.refuses(false).is_some() && Role::Standby.refuses(true).is_none());
        assert!(Role::Any.refuses(true).is_none() && Role::Any.refuses(false).is_none());
        assert_eq!(Role::PreferStandby.rounds().last(), Some(&Role::Any));
    }
}
