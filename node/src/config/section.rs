//! A section with its words: what the code says of a field is what its user reads.

/// What a section is for, and its fields.
#[derive(Debug)]
pub(super) struct Section {
    /// Its words, by line.
    pub(super) about: &'static [&'static str],
    /// Its fields, in order.
    pub(super) fields: &'static [Field],
}

/// One field's words.
#[derive(Debug)]
pub(super) struct Field {
    /// Its key.
    pub(super) name: &'static str,
    /// Its words, by line.
    pub(super) about: &'static [&'static str],
}

/// Makes a struct of a section: its fields with their words and defaults.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $Section:ident {
            $($(#[doc = $words:literal])+ $field:ident: $Type:ty = $default:expr,)+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $Section {
            $($(#[doc = $words])+ pub $field: $Type,)+
        }

        impl Default for $Section {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl $Section {
            const SECTION: Section = Section {
                about: &[$($about),+],
                fields: &[$(section::Field { name: stringify!($field), about: &[$($words),+] }),+],
            };
        }
    };
}

pub(super) use section;
