//! The macro that declares a section: the struct and the descriptions of its settings, from one list.

/// Declares the settings of a section as the fields of a struct.
///
/// Each field is one of
/// - `name: Type = default, "unit", kind;` a setting. `name as "key"` where its key has another name than the field; `secret`
///   after the unit where the value must not show; `=> convert` at the end where the type is not what
///   [`FromValue`](crate::FromValue) makes of the value, with a function from `&Value`.
/// - `name: Type, inline;` another struct whose settings stand in this section.
/// - `name: Type, below;` a type with `read` whose settings stand in sections of their own.
/// - `name: Type, fixed(value);` a bound that is no setting.
///
/// The comment of a field is the sentence that users read.
#[macro_export]
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $(#[derive($($derive:ident),+)])?
        pub struct $name:ident in $section:literal {
            $(
                $(#[doc = $sentence:literal])+
                $field:ident $(as $key:literal)? : $type:ty
                $(= $default:tt, $unit:literal $($secret:ident)?, $kind:expr)?
                $(, $how:ident $(($value:expr))?)?
                $(=> $convert:expr)?;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq $($(, $derive)+)?)]
        #[allow(rustdoc::broken_intra_doc_links, reason = "the comments are written for users of the settings")]
        pub struct $name {
            $($(#[doc = $sentence])+ pub $field: $type,)+
        }

        impl $name {
            /// The section with its settings.
            #[must_use]
            pub fn section() -> $crate::Section {
                let mut settings = Vec::new();
                $($crate::__setting!(
                    @all settings, $section, $field $(as $key)?, $type, concat!($($sentence),+);
                    $($default, $unit $($secret)?, $kind)? $($how)?
                );)+
                $crate::Section { name: $section, sentence: concat!($($about),+).trim_ascii(), settings }
            }

            /// The struct with the value that `given` has for each setting.
            #[must_use]
            pub fn read(given: &dyn Fn(&$crate::Setting) -> $crate::Value) -> Self {
                $name {
                    $($field: $crate::__setting!(
                        @read given, $section, $field $(as $key)?, $type, concat!($($sentence),+);
                        $($default, $unit $($secret)?, $kind)? $($how $(($value))?)? $(=> $convert)?
                    ),)+
                }
            }
        }

        impl Default for $name {
            /// The declared defaults.
            fn default() -> Self {
                Self::read(&$crate::Setting::default)
            }
        }
    };
}

/// One field of [`section!`].
#[doc(hidden)]
#[macro_export]
macro_rules! __setting {
    (@all $all:ident, $section:literal, $field:ident $(as $key:literal)?, $type:ty, $sentence:expr;
        $default:tt, $unit:literal $($secret:ident)?, $kind:expr) => {
        $all.push($crate::__setting!(@one $section, $field $(as $key)?, $sentence; $default, $unit $($secret)?, $kind))
    };
    (@all $all:ident, $section:literal, $field:ident, $type:ty, $sentence:expr; inline) => {
        $all.extend(<$type>::section().settings)
    };
    (@all $all:ident, $section:literal, $field:ident, $type:ty, $sentence:expr; $how:ident) => {};

    (@read $given:ident, $section:literal, $field:ident $(as $key:literal)?, $type:ty, $sentence:expr;
        $default:tt, $unit:literal $($secret:ident)?, $kind:expr) => {
        $crate::__setting!(@read $given, $section, $field $(as $key)?, $type, $sentence;
            $default, $unit $($secret)?, $kind => <$type as $crate::FromValue>::from_value)
    };
    (@read $given:ident, $section:literal, $field:ident $(as $key:literal)?, $type:ty, $sentence:expr;
        $default:tt, $unit:literal $($secret:ident)?, $kind:expr => $convert:expr) => {
        ($convert)(&$given(&$crate::__setting!(@one $section, $field $(as $key)?, $sentence;
            $default, $unit $($secret)?, $kind)))
    };
    (@read $given:ident, $section:literal, $field:ident, $type:ty, $sentence:expr; fixed($value:expr)) => { $value };
    (@read $given:ident, $section:literal, $field:ident, $type:ty, $sentence:expr; $how:ident) => {
        <$type>::read($given)
    };

    (@one $section:literal, $field:ident $(as $key:literal)?, $sentence:expr;
        $default:tt, $unit:literal $($secret:ident)?, $kind:expr) => {
        $crate::Setting {
            key: concat!($section, ".", $crate::__setting!(@key $field $($key)?)),
            kind: $kind,
            unit: $unit,
            default: || $crate::Value::from($default),
            sentence: $sentence.trim_ascii(),
            secret: $crate::__setting!(@secret $($secret)?),
        }
    };
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:literal) => { $key };
    (@secret) => { false };
    (@secret secret) => { true };
}
