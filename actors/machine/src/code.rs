//! Response codes.

use core::fmt;

/// A CoAP response code, class in the upper 3 bits and detail in the lower 5 (RFC 7252 §5.9).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u8);

macro_rules! codes {
    ($($name:ident = $class:literal . $detail:literal, $words:literal;)*) => {
        impl Code {
            $(#[doc = $words]
              pub const $name: Self = Self::new($class, $detail);)*

            /// The name that the RFCs give to the code, or `""`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $words,)* _ => "" }
            }
        }
    };
}

codes! {
    CREATED = 2 . 1, "Created";
    DELETED = 2 . 2, "Deleted";
    VALID = 2 . 3, "Valid";
    CHANGED = 2 . 4, "Changed";
    CONTENT = 2 . 5, "Content";
    CONTINUE = 2 . 31, "Continue";
    BAD_REQUEST = 4 . 0, "Bad Request";
    UNAUTHORIZED = 4 . 1, "Unauthorized";
    BAD_OPTION = 4 . 2, "Bad Option";
    FORBIDDEN = 4 . 3, "Forbidden";
    NOT_FOUND = 4 . 4, "Not Found";
    METHOD_NOT_ALLOWED = 4 . 5, "Method Not Allowed";
    NOT_ACCEPTABLE = 4 . 6, "Not Acceptable";
    REQUEST_ENTITY_INCOMPLETE = 4 . 8, "Request Entity Incomplete";
    REQUEST_ENTITY_TOO_LARGE = 4 . 13, "Request Entity Too Large";
    UNSUPPORTED_CONTENT_FORMAT = 4 . 15, "Unsupported Content-Format";
    INTERNAL_SERVER_ERROR = 5 . 0, "Internal Server Error";
    NOT_IMPLEMENTED = 5 . 1, "Not Implemented";
    SERVICE_UNAVAILABLE = 5 . 3, "Service Unavailable";
}

impl Code {
    /// The code `class.detail`, for example `Code::new(2, 4)`.
    pub const fn new(class: u8, detail: u8) -> Self {
        Self(class << 5 | detail & 0x1f)
    }

    /// True for 2.xx.
    pub const fn is_success(self) -> bool {
        self.0 >> 5 == 2
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 >> 5, self.0 & 0x1f)?;
        match self.name() {
            "" => Ok(()),
            name => write!(f, " {name}"),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_the_rfc_writes_it() {
        assert_eq!(Code::CHANGED.0, 0x44);
        assert_eq!(Code::UNSUPPORTED_CONTENT_FORMAT.0, 0x8f);
        assert_eq!(Code::CHANGED.to_string(), "2.04 Changed");
        assert_eq!(Code::new(4, 29).to_string(), "4.29");
    }
}
