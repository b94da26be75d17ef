//! The file of a model.
//!
//! ```text
//! "VITRMODL" │ format u32 │ bytes of the card u32, of the payload u64 │ crc32c of card, payload, and all before it │
//! card: JSON │ payload: for each product the length u16 and the bytes of its id; then all vectors, f32
//! ```
//! Numbers are little-endian. The first twelve bytes are the same in every format.

use super::card::Card;
use super::error::Refusal;
use crate::als::Als;
use crate::vectors::Vectors;

/// The format that is written; a later format is refused.
pub const FORMAT: u32 = 1;

const MAGIC: &[u8; 8] = b"VITRMODL";
pub(super) const HEADER_BYTES: usize = 36;

/// A trained model with the ids of its products.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What it was trained on.
    pub card: Card,
    /// The ids of the products, in the order of their vectors. At most 65,535 bytes each.
    pub products: Vec<String>,
    /// The products' factors.
    pub vectors: Vectors,
}

impl Model {
    /// The model in use.
    #[must_use]
    pub fn als(self) -> (Als, Vec<String>) {
        (Als::new(self.vectors, self.card.parameters()), self.products)
    }
}

/// The bytes of the file.
pub(super) fn encode(model: &Model) -> Vec<u8> {
    let card = serde_json::to_vec(&model.card).expect("a card of numbers and names can be written");
    let mut payload = Vec::with_capacity(model.products.len() * 24 + model.vectors.values().len() * 4);
    for id in &model.products {
        let length = u16::try_from(id.len()).expect("ids are far shorter");
        payload.extend(length.to_le_bytes());
        payload.extend(id.as_bytes());
    }
    for row in 0..model.vectors.rows() {
        payload.extend(model.vectors.row(row).iter().flat_map(|value| value.to_le_bytes()));
    }
    let mut bytes = Vec::with_capacity(HEADER_BYTES + card.len() + payload.len());
    bytes.extend(MAGIC);
    bytes.extend(FORMAT.to_le_bytes());
    bytes.extend(u32::try_from(card.len()).expect("a card is short").to_le_bytes());
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(crc32c::crc32c(&card).to_le_bytes());
    bytes.extend(crc32c::crc32c(&payload).to_le_bytes());
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    bytes.extend(card);
    bytes.extend(payload);
    bytes
}

/// The model in the bytes of a file.
pub(super) fn decode(bytes: &[u8]) -> Result<Model, Refusal> {
    let mut header = Reader(bytes);
    let torn = Refusal::Torn { found: bytes.len() as u64, wanted: HEADER_BYTES as u64 };
    let magic = header.take(MAGIC.len()).ok_or(torn.clone())?;
    if magic != MAGIC {
        return Err(Refusal::Malformed("it is no model of Vitrine"));
    }
    let found = header.u32().ok_or(torn.clone())?;
    if found > FORMAT {
        return Err(Refusal::Newer { found, known: FORMAT });
    }
    let mut read = || Some((header.u32()?, header.u64()?, header.u32()?, header.u32()?, header.u32()?));
    let (card_bytes, payload_bytes, card_crc, payload_crc, crc) = read().ok_or(torn)?;
    if crc32c::crc32c(&bytes[..HEADER_BYTES - 4]) != crc {
        return Err(Refusal::Checksum("the header"));
    }
    let wanted = (HEADER_BYTES as u64).saturating_add(card_bytes.into()).saturating_add(payload_bytes);
    if wanted != bytes.len() as u64 {
        return Err(Refusal::Torn { found: bytes.len() as u64, wanted });
    }
    let (card, payload) = header.0.split_at(card_bytes as usize);
    if crc32c::crc32c(card) != card_crc {
        return Err(Refusal::Checksum("the card"));
    }
    if crc32c::crc32c(payload) != payload_crc {
        return Err(Refusal::Checksum("the vectors"));
    }
    let card: Card = serde_json::from_slice(card).map_err(|_| Refusal::Malformed("its card has an unknown form"))?;
    content(card, Reader(payload)).ok_or(Refusal::Malformed("its vectors are not those of its card"))
}

fn content(card: Card, mut payload: Reader<'_>) -> Option<Model> {
    // The numbers of the card are checked against the payload's length before memory is taken for them.
    let values = card.products.checked_mul(card.factors)?.checked_mul(4)?;
    if card.factors == 0 || payload.0.len() < values.checked_add(card.products.checked_mul(2)?)? {
        return None;
    }
    let mut products = Vec::with_capacity(card.products);
    for _ in 0..card.products {
        let length = u16::from_le_bytes(payload.take(2)?.try_into().ok()?);
        products.push(String::from_utf8(payload.take(length.into())?.to_vec()).ok()?);
    }
    if payload.0.len() != values {
        return None;
    }
    let mut vectors = Vectors::zeros(card.products, card.factors);
    for row in 0..card.products {
        for value in vectors.row_mut(row) {
            *value = f32::from_le_bytes(payload.take(4)?.try_into().ok()?);
        }
    }
    Some(Model { card, products, vectors })
}

/// Takes bytes from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }
}
