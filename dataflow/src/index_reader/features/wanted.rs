//! Which rows features are made from.

use crate::product_attributes::AttributeSlot;

/// Kinds of rows that features are made from. The rows of interactions are always read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureRows(u8);

impl FeatureRows {
    /// Interactions alone.
    pub const INTERACTIONS: FeatureRows = FeatureRows(0);
    /// The sessions that are held.
    pub const SESSIONS: FeatureRows = FeatureRows(1);
    /// Purchases.
    pub const PURCHASES: FeatureRows = FeatureRows(1 << 1);
    /// Values of metadata.
    pub const METADATA: FeatureRows = FeatureRows(1 << 2);
    /// The categories of the products.
    pub const CATEGORIES: FeatureRows = FeatureRows(1 << 3);
    /// The attributes of the products.
    pub const ATTRIBUTES: FeatureRows = FeatureRows(1 << 4);

    /// These and others.
    #[must_use]
    pub const fn and(self, others: FeatureRows) -> FeatureRows {
        FeatureRows(self.0 | others.0)
    }

    /// Whether all of `others` are among these.
    #[must_use]
    pub const fn has(self, others: FeatureRows) -> bool {
        self.0 & others.0 == others.0
    }
}

/// What a request reads of each user.
#[derive(Clone, Copy)]
pub struct WantedRows<'a> {
    pub(super) rows: FeatureRows,
    pub(super) attributes: Option<&'a AttributeSlot>,
}

impl<'a> WantedRows<'a> {
    /// These rows. Attributes are taken from their slot.
    #[must_use]
    pub fn of(rows: FeatureRows, attributes: &'a AttributeSlot) -> Self {
        WantedRows { rows, attributes: rows.has(FeatureRows::ATTRIBUTES).then_some(attributes) }
    }

    /// All rows, those of sums over products only with the slot of the attributes.
    pub(super) fn all(sums: Option<&'a AttributeSlot>) -> Self {
        let own = FeatureRows::SESSIONS.and(FeatureRows::PURCHASES).and(FeatureRows::METADATA);
        let rows = if sums.is_some() { own.and(FeatureRows::CATEGORIES) } else { own };
        WantedRows { rows, attributes: sums }
    }
}
