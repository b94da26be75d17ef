//! Names of users, products and categories.

/// How ids look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Style {
    /// `product-393` and `category-7`.
    Numbered,
    /// `oak-desk-lamp` and `lighting`.
    Readable,
}

const MATERIALS: &[&str] = &[
    "oak", "linen", "brass", "walnut", "ceramic", "steel", "cotton", "glass", "copper", "bamboo", "wool", "marble",
    "cork", "leather", "birch", "slate",
];

/// Things of each category.
const THINGS: usize = 8;

/// Categories, each with things that occur in no other category, so that a product's name shows its category.
const RANGES: &[(&str, &str)] = &[
    ("lighting", "desk-lamp floor-lamp pendant lantern string-lights wall-light night-light candle-holder"),
    ("kitchen", "chopping-board salad-bowl pepper-mill serving-tray spoon-set storage-jar bread-box butter-dish"),
    ("bedroom", "duvet-cover bedside-table throw pillow wardrobe bed-frame clothes-rack mirror"),
    ("office", "pen-holder notebook desk-tray monitor-stand book-end letter-opener desk-mat paper-clip-box"),
    ("garden", "planter watering-can bird-house garden-bench trellis herb-box hose-reel wind-chime"),
    ("bath", "towel-rail soap-dish bath-mat laundry-basket shower-shelf toothbrush-cup robe-hook bath-stool"),
    ("travel", "weekend-bag passport-wallet travel-mug luggage-tag wash-bag neck-pillow day-pack key-ring"),
    ("nursery", "building-blocks rattle toy-train rocking-horse play-mat puzzle mobile toy-chest"),
    ("music", "record-shelf guitar-stand metronome headphone-stand music-stand tambourine ukulele speaker-stand"),
    ("sports", "yoga-block skipping-rope water-bottle balance-board jump-box massage-roller gym-bag wall-bars"),
    ("coffee", "espresso-cup coffee-scoop tamper milk-jug bean-grinder filter-stand coffee-press saucer-set"),
    ("studio", "easel brush-pot picture-frame sketch-box paint-tray sculpture-stand print-rack palette"),
];

#[derive(Debug)]
pub(super) struct ShopNames {
    style: Style,
}

impl ShopNames {
    pub(super) fn new(style: Style) -> ShopNames {
        ShopNames { style }
    }

    pub(super) fn user(&self, user: u32) -> String {
        format!("user-{}", user + 1)
    }

    pub(super) fn category(&self, category: u32) -> String {
        match self.style {
            Style::Numbered => format!("category-{}", category + 1),
            Style::Readable => {
                let (name, _) = RANGES[category as usize % RANGES.len()];
                numbered(name.to_owned(), category / RANGES.len() as u32)
            }
        }
    }

    /// The name of a product by its number, its category and its place there.
    pub(super) fn product(&self, product: u32, category: u32, place: u32) -> String {
        match self.style {
            Style::Numbered => format!("product-{}", product + 1),
            Style::Readable => {
                let (_, things) = RANGES[category as usize % RANGES.len()];
                let thing = things.split(' ').nth(place as usize % THINGS).expect("each category has as many things");
                // The material changes together with the thing, so that neighbours in a list look different.
                let combinations = (THINGS * MATERIALS.len()) as u32;
                let material = MATERIALS[((place % combinations) as usize / THINGS + place as usize) % MATERIALS.len()];
                // Each run through all combinations, and each further category of the same range, takes numbers of its own.
                let series = u64::from(place / combinations) << 32 | u64::from(category / RANGES.len() as u32);
                match series {
                    0 => format!("{material}-{thing}"),
                    _ => format!("{material}-{thing}-{}", number_of(series)),
                }
            }
        }
    }
}

fn numbered(name: String, repeat: u32) -> String {
    if repeat == 0 { name } else { format!("{name}-{}", repeat + 1) }
}

/// One number for a pair of numbers (Cantor's pairing), so that no two names are equal.
fn number_of(series: u64) -> u64 {
    let (left, right) = (series >> 32, series & 0xffff_ffff);
    (left + right) * (left + right + 1) / 2 + right + 1
}
