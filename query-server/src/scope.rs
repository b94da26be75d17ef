//! What a caller must be allowed to do, and a set of it.

/// What a caller must be allowed to do. A key has the scopes that were given to it and no others: none includes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Nothing: probes, the page and the documentation. No key has it.
    Public,
    /// Read lists, the status and metrics.
    Read,
    /// Write events.
    Events,
    /// Remove products from histories, and other rows.
    Delete,
    /// Create and change rows.
    Write,
    /// Change how the system works.
    Admin,
}

impl Scope {
    /// The scopes that a key can have.
    pub const OF_KEYS: [Scope; 5] = [Scope::Read, Scope::Events, Scope::Delete, Scope::Write, Scope::Admin];

    /// The word for it in files, flags and documents.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Scope::Public => "none",
            Scope::Read => "read",
            Scope::Events => "events",
            Scope::Delete => "delete",
            Scope::Write => "write",
            Scope::Admin => "admin",
        }
    }

    /// The scope of a key with this word.
    #[must_use]
    pub fn find(word: &str) -> Option<Scope> {
        Scope::OF_KEYS.into_iter().find(|scope| scope.word() == word)
    }
}

/// The scopes of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScopeSet(u8);

impl ScopeSet {
    /// Whether the set allows what needs `scope`.
    #[must_use]
    pub fn allows(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0 || scope == Scope::Public
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        ScopeSet(scopes.into_iter().fold(0, |set, scope| set | 1 << scope as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_allows_its_own_scopes_only() {
        for own in Scope::OF_KEYS {
            let set: ScopeSet = [own].into_iter().collect();
            for asked in Scope::OF_KEYS {
                assert_eq!(set.allows(asked), own == asked, "{own:?} {asked:?}");
            }
            assert!(set.allows(Scope::Public) && Scope::find(own.word()) == Some(own));
        }
        assert!(ScopeSet::default().allows(Scope::Public) && Scope::find("none").is_none());
    }
}
