//! The input of a training: how much each user had to do with each product, as sparse rows.

/// Sparse rows: for each user, the products in rising order with their weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    products: usize,
    /// Where each user's entries begin, and the end of the last one's.
    offsets: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

/// Collects rows, user by user.
#[derive(Clone, Debug)]
pub struct WeightsBuilder {
    rows: Weights,
}

impl WeightsBuilder {
    /// No rows yet, over `products` products.
    #[must_use]
    pub fn new(products: usize) -> Self {
        WeightsBuilder { rows: Weights { products, offsets: vec![0], columns: Vec::new(), values: Vec::new() } }
    }

    /// Adds the next user with its products and weights, in any order. Weights of a product that comes twice add up.
    ///
    /// # Panics
    /// When a product's number is not below the number of products.
    pub fn user(&mut self, products: &mut [(u32, f32)]) {
        products.sort_by_key(|(product, _)| *product);
        let begin = self.rows.columns.len();
        for &(product, weight) in products.iter() {
            assert!((product as usize) < self.rows.products, "product {product} is out of bounds");
            if self.rows.columns.len() > begin && self.rows.columns.last() == Some(&product) {
                *self.rows.values.last_mut().expect("each column has a value") += weight;
            } else {
                self.rows.columns.push(product);
                self.rows.values.push(weight);
            }
        }
        self.rows.offsets.push(self.rows.columns.len());
    }

    /// The rows of all users.
    #[must_use]
    pub fn build(self) -> Weights {
        self.rows
    }
}

impl Weights {
    /// The number of users.
    #[must_use]
    pub fn users(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The number of products.
    #[must_use]
    pub fn products(&self) -> usize {
        self.products
    }

    /// The number of pairs.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.columns.len()
    }

    /// The weights of all pairs.
    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }

    /// A user's products and their weights.
    pub(super) fn row(&self, user: usize) -> impl ExactSizeIterator<Item = (u32, f32)> + Clone + '_ {
        let range = self.offsets[user]..self.offsets[user + 1];
        self.columns[range.clone()].iter().copied().zip(self.values[range].iter().copied())
    }

    /// For each product, its users in rising order with their weights.
    pub(super) fn transposed(&self) -> Weights {
        let mut offsets = vec![0; self.products + 1];
        self.columns.iter().for_each(|column| offsets[*column as usize + 1] += 1);
        (0..self.products).for_each(|product| offsets[product + 1] += offsets[product]);
        let mut next = offsets.clone();
        let (mut columns, mut values) = (vec![0; self.pairs()], vec![0.0; self.pairs()]);
        for user in 0..self.users() {
            for (product, weight) in self.row(user) {
                let place = &mut next[product as usize];
                columns[*place] = user as u32;
                values[*place] = weight;
                *place += 1;
            }
        }
        Weights { products: self.users(), offsets, columns, values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_summed_and_turned() {
        let mut builder = WeightsBuilder::new(4);
        builder.user(&mut [(3, 1.0), (1, 2.0), (3, 0.5)]);
        builder.user(&mut []);
        builder.user(&mut [(3, 4.0)]);
        let weights = builder.build();
        assert_eq!(weights.row(0).collect::<Vec<_>>(), [(1, 2.0), (3, 1.5)]);
        assert_eq!((weights.row(1).len(), weights.pairs(), weights.users()), (0, 3, 3));
        let turned = weights.transposed();
        assert_eq!((turned.users(), turned.products()), (4, 3));
        assert_eq!(turned.row(3).collect::<Vec<_>>(), [(0, 1.5), (2, 4.0)]);
        assert_eq!(turned.transposed(), weights);
    }
}
