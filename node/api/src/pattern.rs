//! What texts of the API look like, as JSON Schema says it.
//!
//! Each kind of text is a type here that holds nothing: it is named where a field describes itself,
//! and stands among the document's components. They say what the server checks, for who reads the
//! OpenAPI document; the server does not use them. Lengths are counted in characters there, and in
//! bytes of UTF-8 at the server.

use std::borrow::Cow;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! texts {
    ($($(#[doc = $doc:literal])* $name:ident $lengths:expr, $pattern:expr, $example:literal;)*) => {$(
        $(#[doc = $doc])*
        #[derive(Debug)]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                text(concat!($($doc),*).trim(), $lengths, $pattern.into(), $example).into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

texts! {
    /// A text without control characters.
    Text 1..=255, TEXT, "urn:dev:meter-1";
    /// A name that can stand in a path: a text that no client resolves.
    Name 1..=255, NAME, "meters";
    /// A PSK identity.
    Identity 1..=128, TEXT, "urn:dev:meter-1";
    /// The id of a credential.
    CredentialId 32..=32, ID, "5f0c1d6e3b1c4a0f9d27a8b4c6e1f203";
    /// The id of a cluster.
    ClusterId 32..=32, ID, "5f0c1d6e3b1c4a0f9d27a8b4c6e1f203";
    /// The id of an event.
    EventId 3..=29, EVENT, "17-0";
    /// The place where a page begins; opaque.
    Cursor 0..=4096, cursor(), "AAE";
    /// A state of a credential.
    State 6..=10, "^(staged|delivered|active|superseded|revoked|expired)$", "active";
    /// The LwM2M server that devices are to use.
    ServerUri 9..=255, server_uri(), "coaps://lwm2m.example.com:5684";
    /// Where a webhook is sent; empty where the server asks.
    WebhookUrl 0..=2048, webhook_url(), "https://lwm2m.example.com/claviger";
    /// A key of X25519, or a thumbprint: 32 bytes in base64url without padding.
    Bytes32 43..=43, THUMBPRINT, "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo";
    /// A public key: SubjectPublicKeyInfo, its DER in base64 or in PEM.
    PublicKey 120..=4096, PUBLIC_KEY, "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==";
    /// One or more certificates in PEM.
    Pem 1..=65536, PEM, "-----BEGIN CERTIFICATE-----\nMIIB...\n-----END CERTIFICATE-----";
}

fn text(
    words: &str,
    lengths: core::ops::RangeInclusive<usize>,
    pattern: Cow<'_, str>,
    example: &str,
) -> ObjectBuilder {
    let text = ObjectBuilder::new().schema_type(Type::String).description(Some(words));
    let text = text.min_length(Some(*lengths.start())).max_length(Some(*lengths.end()));
    text.pattern(Some(pattern)).examples([example])
}

/// No control character.
const TEXT: &str = r"^[^\u0000-\u001f\u007f-\u009f]+$";
/// Neither `.` nor `..`.
pub const NAME: &str = r"^(?!\.{1,2}$)[^\u0000-\u001f\u007f-\u009f]+$";
/// The id of a credential.
pub const ID: &str = "^[0-9a-f]{32}$";
/// A thumbprint of a key: 32 bytes in base64url without padding.
pub const THUMBPRINT: &str = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$";
/// The id of an event.
pub const EVENT: &str = "^[0-9]{1,19}-[0-9]{1,9}$";
/// An ETag of ours.
pub const ETAG: &str = r#"^"[1-9][0-9]{0,18}"$"#;
/// An Idempotency-Key.
pub const IDEMPOTENCY_KEY: &str = "^[!-~]{1,255}$";
/// A key of 16 to 64 bytes in hexadecimal digits.
pub(crate) const KEY_HEX: &str = "^([0-9A-Fa-f]{2}){16,64}$";

/// A public key in base64, or in PEM.
const PUBLIC_KEY: &str =
    "^([A-Za-z0-9+/]{4}){30,}([A-Za-z0-9+/]{2,3}={1,2})?$|-----BEGIN PUBLIC KEY-----";
/// A text that has a certificate in PEM.
const PEM: &str = "-----BEGIN CERTIFICATE-----";

/// A key that is encrypted to an import key.
pub(crate) const KEY_HPKE: &str = "^1\\.[A-Za-z0-9_-]{43}\\.([A-Za-z0-9_-]{4}){21,48}$";

/// One letter of base64url.
const URL: &str = "[A-Za-z0-9_-]";
/// The last letter where it stands for two bits, or for four: the rest of it is zero.
const TWO: &str = "[AQgw]";
const FOUR: &str = "[AEIMQUYcgkosw048]";
const PORT: &str =
    "(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?";

/// A key of 16 to 64 bytes in base64url without padding.
pub(crate) fn key_base64url() -> String {
    let q = format!("({URL}{{4}})");
    format!("^({q}{{6,21}}|{q}{{5,21}}{URL}{TWO}|{q}{{5,20}}{URL}{{2}}{FOUR})$")
}

/// Where a page begins: bytes in base64url without padding.
fn cursor() -> String {
    let q = format!("({URL}{{4}})*");
    format!("^{q}({URL}{TWO}|{URL}{{2}}{FOUR})?$")
}

/// `coaps://host[:port]`.
fn server_uri() -> String {
    let host = "[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?";
    format!("^coaps://({host}|{}){PORT}/?$", address6())
}

/// `https`, or `http` to this machine; nothing where the server asks.
fn webhook_url() -> String {
    let label = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?";
    // A last label that begins with a digit would be read as an address.
    let name = format!("({label}\\.)*[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?");
    let byte = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    let host = format!("({name}|({byte}\\.){{3}}{byte}|{})", address6());
    let here = format!("(localhost|127(\\.{byte}){{3}}|\\[::1\\])");
    format!("^((https://{host}|http://{here}){PORT}([/?][!\"$-~]*)?)?$")
}

/// An address of IPv6 in brackets.
fn address6() -> String {
    let h = "[0-9A-Fa-f]{1,4}";
    // How many groups may stand behind the gap, by how many stand before it.
    let gaps = (1..=6).map(|before| format!("({h}:){{1,{before}}}(:{h}){{1,{}}}", 7 - before));
    let forms: Vec<_> = [format!("({h}:){{7}}{h}"), format!("({h}:){{1,7}}:"), "::".into()]
        .into_iter()
        .chain([format!("::({h}:){{0,6}}{h}")])
        .chain(gaps)
        .collect();
    format!("\\[({})\\]", forms.join("|"))
}
