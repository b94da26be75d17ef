//! ALS against a plain dense recomputation that shares no code with it: all entries of the matrix, 64-bit numbers, and
//! Gaussian elimination instead of Cholesky.

use models::Vectors;
use models::als::{self, Als, Error, Parameters, Weights, WeightsBuilder};
use proptest::prelude::*;
use rayon::ThreadPoolBuilder;

type Dense = Vec<Vec<f64>>;

/// Solves by Gaussian elimination with row exchanges.
fn eliminate(mut a: Dense, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for column in 0..n {
        let pivot = (column..n).max_by(|i, j| a[*i][column].abs().total_cmp(&a[*j][column].abs())).expect("a row");
        a.swap(column, pivot);
        b.swap(column, pivot);
        for row in column + 1..n {
            let factor = a[row][column] / a[column][column];
            let (above, below) = a.split_at_mut(row);
            below[0].iter_mut().zip(&above[column]).for_each(|(value, pivot)| *value -= factor * pivot);
            b[row] -= factor * b[column];
        }
    }
    for row in (0..n).rev() {
        for k in row + 1..n {
            b[row] -= a[row][k] * b[k];
        }
        b[row] /= a[row][row];
    }
    b
}

/// The factors of one row: every column counts, with confidence 1 where the weight is 0.
fn row_factors(weights: &[f64], other: &Dense, p: &Parameters) -> Vec<f64> {
    let k = p.factors;
    let mut a = vec![vec![0.0; k]; k];
    let mut b = vec![0.0; k];
    for (weight, y) in weights.iter().zip(other) {
        let c = 1.0 + f64::from(p.confidence) * weight;
        for i in 0..k {
            (0..k).for_each(|j| a[i][j] += c * y[i] * y[j]);
            b[i] += if *weight > 0.0 { c * y[i] } else { 0.0 };
        }
    }
    (0..k).for_each(|i| a[i][i] += f64::from(p.regularization));
    eliminate(a, b)
}

fn turned(matrix: &Dense, columns: usize) -> Dense {
    (0..columns).map(|column| matrix.iter().map(|row| row[column]).collect()).collect()
}

/// One more iteration from a model's factors: users, then products.
fn next_products(weights: &Dense, products: &Dense, p: &Parameters) -> Dense {
    let users: Dense = weights.iter().map(|row| row_factors(row, products, p)).collect();
    turned(weights, products.len()).iter().map(|row| row_factors(row, &users, p)).collect()
}

fn sparse(weights: &Dense, products: usize) -> Weights {
    let mut builder = WeightsBuilder::new(products);
    for row in weights {
        let entries = row.iter().enumerate().filter(|(_, weight)| **weight > 0.0);
        builder.user(&mut entries.map(|(product, weight)| (product as u32, *weight as f32)).collect::<Vec<_>>());
    }
    builder.build()
}

fn dense(vectors: &Vectors) -> Dense {
    (0..vectors.rows()).map(|row| vectors.row(row).iter().map(|value| f64::from(*value)).collect()).collect()
}

fn trained(weights: &Weights, parameters: &Parameters, threads: usize) -> Als {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
    pool.install(|| als::train(weights, parameters, |_| true)).expect("there is enough to learn from")
}

/// A matrix of whole numbers, a third of them above 0.
fn matrix() -> impl Strategy<Value = Dense> {
    (1..20_usize, 1..15_usize).prop_flat_map(|(users, products)| {
        let weight = prop_oneof![2 => Just(0.0), 1 => (1..9_u8).prop_map(f64::from)];
        prop::collection::vec(prop::collection::vec(weight, products), users)
    })
}

/// The numbers agree up to what 32-bit numbers lose.
fn same(found: &[f64], plain: &[f64]) -> Result<(), TestCaseError> {
    let largest = plain.iter().fold(1e-3, |largest: f64, value| largest.max(value.abs()));
    for (found, plain) in found.iter().zip(plain) {
        prop_assert!((found - plain).abs() < 2e-3 * largest, "{found} for {plain}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn an_iteration_and_a_fold_in_are_those_of_the_dense_matrix(
        weights in matrix(), factors in 1..12_usize, confidence in 0..10_u8, seed in any::<u64>(),
    ) {
        prop_assume!(weights.iter().flatten().any(|weight| *weight > 0.0));
        let width = weights[0].len();
        let p = Parameters {
            factors, iterations: 1, regularization: 1.0, confidence: f32::from(confidence), seed, ..Parameters::default()
        };
        // Two iterations: the second begins with factors of the size that training finds.
        let first = trained(&sparse(&weights, width), &p, 2);
        let second = trained(&sparse(&weights, width), &Parameters { iterations: 2, ..p }, 2);
        same(&dense(second.products()).concat(), &next_products(&weights, &dense(first.products()), &p).concat())?;
        let history: Vec<(u32, f32)> = (0..).zip(&weights[0]).map(|(product, weight)| (product, *weight as f32)).collect();
        let found = second.fold_in(&history).unwrap_or_else(|| vec![0.0; factors]);
        let found: Vec<f64> = found.into_iter().map(f64::from).collect();
        same(&found, &row_factors(&weights[0], &dense(second.products()), &p))?;
    }
}

/// Users 0 to 2999 see three of the ten products of their group.
fn groups() -> Weights {
    let mut builder = WeightsBuilder::new(200);
    for user in 0..3000_u32 {
        let product = |step: u32| (user % 20) * 10 + (user / 20 * 7 + step * 3) % 10;
        builder.user(&mut [0, 1, 2].map(|step| (product(step), 1.0)));
    }
    builder.build()
}

#[test]
fn the_bytes_do_not_depend_on_the_threads() {
    let parameters = Parameters { factors: 20, iterations: 3, ..Parameters::default() };
    let bytes = |threads| {
        let als = trained(&groups(), &parameters, threads);
        (0..200).flat_map(|row| als.products().row(row).to_vec()).map(f32::to_bits).collect::<Vec<u32>>()
    };
    let one = bytes(1);
    assert!([2, 3, 8].into_iter().all(|threads| bytes(threads) == one));
    let other = trained(&groups(), &Parameters { seed: 2, ..parameters }, 1);
    assert_ne!(other.products().row(0)[0].to_bits(), one[0]);
}

#[test]
fn a_history_is_continued_within_its_group() {
    let als = trained(&groups(), &Parameters { factors: 24, confidence: 10.0, ..Parameters::default() }, 2);
    let factors = als.fold_in(&[(50, 1.0), (53, 0.5)]).unwrap();
    let best = als.best(&factors, 8, |product| [50, 53].contains(&product));
    assert!(best.iter().all(|scored| scored.row / 10 == 5), "{best:?}");
    assert_eq!(als.fold_in(&[]), None);
    assert_eq!(als.fold_in(&[(5000, 1.0), (3, 0.0), (4, f32::NAN)]), None);
}

#[test]
fn what_cannot_be_learned_from_is_named() {
    let train = |weights: &Weights, parameters: Parameters| als::train(weights, &parameters, |_| true).unwrap_err();
    let few = train(&groups(), Parameters { pairs_min: 10_000, ..Parameters::default() });
    assert_eq!(few, Error::TooLittle { pairs: 9000, needed: 10_000 });
    assert!(few.to_string().contains("9000 pairs of user and product, 1000 less than the 10000"), "{few}");
    assert_eq!(train(&WeightsBuilder::new(0).build(), Parameters::default()), Error::TooLittle { pairs: 0, needed: 1 });
    let memory = train(&groups(), Parameters { memory_bytes_max: 1000, ..Parameters::default() });
    assert!(matches!(memory, Error::Memory { allowed: 1000, .. }), "{memory}");
    for bad in [f32::NAN, -1.0, f32::INFINITY] {
        let mut builder = WeightsBuilder::new(1);
        builder.user(&mut [(0, bad)]);
        let error = train(&builder.build(), Parameters::default());
        assert!(matches!(error, Error::Number { name: "a weight", .. }), "{error}");
    }
    assert!(matches!(
        train(&groups(), Parameters { regularization: 0.0, ..Parameters::default() }),
        Error::Number { .. }
    ));
    let ended = als::train(&groups(), &Parameters::default(), |iteration| iteration < 2).unwrap_err();
    assert_eq!(ended, Error::Ended { iteration: 2 });
}
