//! [`declare_each!`]: makes, from one list of declarations, a struct with a field for each declaration and the
//! functions that visit all fields.

/// Declares the elements of a kind (base tables, published indexes). Each element is a type that implements the kind's
/// trait.
///
/// `declare_each!(Table in Tables: stamps: Stamps, orders: Orders)` makes, in the module that calls it:
/// - `Family`: the value held for each element, as a type that depends on the element (`Family::Of<T>`);
/// - `Tables<F>`: one value of the family for each element, with `make`, `map`, `map_ref` and `map_mut`;
/// - `Declared`: the place of an element's type: its value in a `Tables`, and its number among all elements.
macro_rules! declare_each {
    ($element:ident in $(#[$docs:meta])* $all:ident: $($field:ident: $name:ident),+ $(,)?) => {
        /// The value held for each element: a type that depends on the element.
        pub trait Family {
            /// The value held for `T`.
            type Of<T: $element>;
        }

        /// Holds nothing, for visits without a result.
        pub struct Nothing;

        impl Family for Nothing {
            type Of<T: $element> = ();
        }

        $(#[$docs])*
        pub struct $all<F: Family> {
            $($field: F::Of<$name>,)+
        }

        /// Makes the value of each element.
        pub trait Make<F: Family> {
            /// The value of `T`.
            fn make<T: $element>(&mut self) -> F::Of<T>;
        }

        /// Takes the value of each element and returns another value.
        pub trait Map<F: Family, G: Family> {
            /// The new value of `T`.
            fn map<T: $element>(&mut self, value: F::Of<T>) -> G::Of<T>;
        }

        /// Reads the value of each element and returns another value.
        pub trait MapRef<F: Family, G: Family> {
            /// The new value of `T`.
            fn map<T: $element>(&mut self, value: &F::Of<T>) -> G::Of<T>;
        }

        /// Changes the value of each element and returns another value.
        pub trait MapMut<F: Family, G: Family> {
            /// The new value of `T`.
            fn map<T: $element>(&mut self, value: &mut F::Of<T>) -> G::Of<T>;
        }

        impl<F: Family> $all<F> {
            /// The number of declared elements.
            pub const LEN: usize = [$(stringify!($field)),+].len();

            /// Makes all values, in the order of the declarations.
            pub fn make(make: &mut impl Make<F>) -> Self {
                $all { $($field: make.make::<$name>(),)+ }
            }

            /// Turns each value into another value.
            pub fn map<G: Family>(self, map: &mut impl Map<F, G>) -> $all<G> {
                $all { $($field: map.map::<$name>(self.$field),)+ }
            }

            /// Returns another value for each value.
            pub fn map_ref<G: Family>(&self, map: &mut impl MapRef<F, G>) -> $all<G> {
                $all { $($field: map.map::<$name>(&self.$field),)+ }
            }

            /// Changes each value and returns another value for it.
            pub fn map_mut<G: Family>(&mut self, map: &mut impl MapMut<F, G>) -> $all<G> {
                $all { $($field: map.map::<$name>(&mut self.$field),)+ }
            }

            /// The value of `T`.
            #[inline]
            #[must_use]
            pub fn get<T: $element>(&self) -> &F::Of<T> {
                T::get_in(self)
            }

            /// The value of `T`, mutable.
            #[inline]
            pub fn get_mut<T: $element>(&mut self) -> &mut F::Of<T> {
                T::get_mut_in(self)
            }
        }

        /// Implemented by the declaration: the place of an element's value.
        pub trait Declared: Sized {
            /// The element's number in the order of the declarations, from 0.
            const INDEX: usize;

            /// The element's value.
            fn get_in<F: Family>(all: &$all<F>) -> &F::Of<Self>
            where
                Self: $element;

            /// The element's value, mutable.
            fn get_mut_in<F: Family>(all: &mut $all<F>) -> &mut F::Of<Self>
            where
                Self: $element;
        }

        declare_each!(@declared $all, 0, $($field: $name,)+);
    };
    (@declared $all:ident, $index:expr,) => {};
    (@declared $all:ident, $index:expr, $field:ident: $name:ident, $($rest:tt)*) => {
        impl Declared for $name {
            const INDEX: usize = $index;

            #[inline]
            fn get_in<F: Family>(all: &$all<F>) -> &F::Of<Self> {
                &all.$field
            }

            #[inline]
            fn get_mut_in<F: Family>(all: &mut $all<F>) -> &mut F::Of<Self> {
                &mut all.$field
            }
        }
        declare_each!(@declared $all, $index + 1, $($rest)*);
    };
}
pub(crate) use declare_each;
