//! Codes of problems, with their statuses and titles.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::domain::ErrorCode;

macro_rules! problem_codes {
    ($($(#[$comment:meta])* $variant:ident: $status:literal $code:literal $title:literal,)*) => {
        /// Kind of a problem. It determines the code, the problem type, the status and the title.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(into = "&'static str", try_from = "String")]
        pub enum ProblemCode {
            $($(#[$comment])* $variant,)*
        }

        impl ProblemCode {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            fn parts(self) -> (u16, &'static str, &'static str) {
                match self {
                    $(Self::$variant => ($status, $code, $title),)*
                }
            }
        }
    };
}

problem_codes! {
    Malformed: 400 "MALFORMED" "Malformed request",
    Unauthorized: 401 "UNAUTHORIZED" "Unauthorized",
    Forbidden: 403 "FORBIDDEN" "Forbidden",
    NotFound: 404 "NOT_FOUND" "Not found",
    MethodNotAllowed: 405 "METHOD_NOT_ALLOWED" "Method not allowed",
    BodyTooSlow: 408 "BODY_TOO_SLOW" "Body too slow",
    Duplicate: 409 "DUPLICATE_ID" "Id already in use",
    IdsExhausted: 409 "IDS_EXHAUSTED" "Ids exhausted",
    InsufficientStock: 409 "INSUFFICIENT_STOCK" "Insufficient stock",
    TooMuchStock: 409 "TOO_MUCH_STOCK" "Stock limit exceeded",
    KeyInUse: 409 "IDEMPOTENCY_KEY_IN_USE" "Idempotency key in use",
    VersionMismatch: 412 "VERSION_MISMATCH" "Version mismatch",
    BodyTooLarge: 413 "BODY_TOO_LARGE" "Body too large",
    UnsupportedMediaType: 415 "UNSUPPORTED_MEDIA_TYPE" "Unsupported media type",
    Misdirected: 421 "MISDIRECTED" "Misdirected request",
    Invalid: 422 "INVALID" "Invalid values",
    KeyReused: 422 "IDEMPOTENCY_KEY_REUSED" "Idempotency key reused",
    VersionRequired: 428 "VERSION_REQUIRED" "Version required",
    RateLimited: 429 "RATE_LIMITED" "Too many requests",
    /// Its status is not a standard one; nginx uses it too. It appears only in metrics and logs.
    ClientDisconnected: 499 "CLIENT_LEFT" "Client disconnected",
    Internal: 500 "INTERNAL" "Internal error",
    Overloaded: 503 "OVERLOADED" "Overloaded",
    Timeout: 503 "TIMEOUT" "Timeout",
    TooManySubscriptions: 503 "TOO_MANY_SUBSCRIPTIONS" "Too many subscriptions",
    TooSlow: 503 "TOO_SLOW" "Subscriber too slow",
    Unavailable: 503 "UNAVAILABLE" "Database unavailable",
}

impl ProblemCode {
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.parts().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Returns the stable code for programs.
    pub fn as_str(self) -> &'static str {
        self.parts().1
    }

    /// Returns the title for people.
    pub fn title(self) -> &'static str {
        self.parts().2
    }

    /// Returns the problem type. It is a URN, because a URL would depend on the server's address.
    pub fn urn(self) -> String {
        format!("urn:stockmeter:problem:{}", self.as_str().to_ascii_lowercase().replace('_', "-"))
    }
}

impl From<ErrorCode> for ProblemCode {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::Invalid => Self::Invalid,
            ErrorCode::Unauthorized => Self::Unauthorized,
            ErrorCode::Forbidden => Self::Forbidden,
            ErrorCode::NotFound => Self::NotFound,
            ErrorCode::Duplicate => Self::Duplicate,
            ErrorCode::IdsExhausted => Self::IdsExhausted,
            ErrorCode::VersionMismatch => Self::VersionMismatch,
            ErrorCode::VersionRequired => Self::VersionRequired,
            ErrorCode::InsufficientStock => Self::InsufficientStock,
            ErrorCode::TooMuchStock => Self::TooMuchStock,
            ErrorCode::KeyReused => Self::KeyReused,
            ErrorCode::KeyInUse => Self::KeyInUse,
            ErrorCode::TooManyStoredResponses => Self::Overloaded,
            ErrorCode::TooManySubscriptions => Self::TooManySubscriptions,
            ErrorCode::TooSlow => Self::TooSlow,
            ErrorCode::Unavailable => Self::Unavailable,
            ErrorCode::Internal => Self::Internal,
        }
    }
}

impl From<ProblemCode> for &'static str {
    fn from(code: ProblemCode) -> Self {
        code.as_str()
    }
}

impl TryFrom<String> for ProblemCode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let code = Self::ALL.iter().find(|code| code.as_str() == text);
        code.copied().ok_or_else(|| format!("unknown problem code {text:?}"))
    }
}
