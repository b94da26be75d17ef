//! The values of `target_session_attrs` that the driver does not support: primary, standby, prefer-standby.

/// The role that a server must have, as far as the driver does not check it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerRole {
    Any,
    Primary,
    Standby,
    /// A standby if there is one, else any.
    PreferStandby,
}

const KEY: &str = "target_session_attrs";

const VALUES: [(&str, ServerRole); 3] =
    [("primary", ServerRole::Primary), ("standby", ServerRole::Standby), ("prefer-standby", ServerRole::PreferStandby)];

/// The connection string as the driver accepts it, and the role that it asks for.
pub(crate) fn split(url: &str) -> (String, ServerRole) {
    let found = url.find(KEY).and_then(|at| {
        let value = at + KEY.len();
        let from = value + url[value..].find(|c: char| c != '=' && c != ' ' && c != '\'')?;
        let to = url[from..].find(|c: char| !c.is_ascii_alphanumeric() && c != '-').map_or(url.len(), |end| from + end);
        let (_, role) = VALUES.into_iter().find(|(word, _)| *word == &url[from..to])?;
        Some((format!("{}any{}", &url[..from], &url[to..]), role))
    });
    found.unwrap_or_else(|| (url.to_owned(), ServerRole::Any))
}

impl ServerRole {
    /// The roles to ask all servers for, one round after another.
    pub(crate) fn rounds(self) -> &'static [ServerRole] {
        match self {
            ServerRole::Any => &[ServerRole::Any],
            ServerRole::Primary => &[ServerRole::Primary],
            ServerRole::Standby => &[ServerRole::Standby],
            ServerRole::PreferStandby => &[ServerRole::Standby, ServerRole::Any],
        }
    }

    /// Why a server does not have this role.
    pub(crate) fn refuses(self, is_standby: bool) -> Option<&'static str> {
        match (self, is_standby) {
            (ServerRole::Primary, true) => Some("the server is a standby, and target_session_attrs asks for a primary"),
            (ServerRole::Standby, false) => Some("the server is no standby, and target_session_attrs asks for one"),
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
                ServerRole::Primary,
            ),
            (
                "host=a target_session_attrs = 'standby' user=u",
                "host=a target_session_attrs = 'any' user=u",
                ServerRole::Standby,
            ),
            (
                "u?target_session_attrs=prefer-standby&port=1",
                "u?target_session_attrs=any&port=1",
                ServerRole::PreferStandby,
            ),
            ("u?target_session_attrs=read-write", "u?target_session_attrs=read-write", ServerRole::Any),
            ("u?target_session_attrs=primaries", "u?target_session_attrs=primaries", ServerRole::Any),
            ("u?target_session_attrs=", "u?target_session_attrs=", ServerRole::Any),
            ("host=a", "host=a", ServerRole::Any),
        ] {
            assert_eq!(split(url), (left.to_owned(), role), "{url}");
        }
    }

    #[test]
    fn a_server_of_the_other_kind_is_refused_and_a_preference_takes_any_in_the_end() {
        assert!(ServerRole::Primary.refuses(true).is_some() && ServerRole::Primary.refuses(false).is_none());
        assert!(ServerRole::Standby.refuses(false).is_some() && ServerRole::Standby.refuses(true).is_none());
        assert!(ServerRole::Any.refuses(true).is_none() && ServerRole::Any.refuses(false).is_none());
        assert_eq!(ServerRole::PreferStandby.rounds().last(), Some(&ServerRole::Any));
    }
}
