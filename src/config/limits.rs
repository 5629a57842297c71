//! Settings of the limits on what clients can take of the server.

use clap::Args;

use super::rate;
use crate::http::limits::request_rate::{Rate, RequestRate};

/// Limits of what all clients together, or one of them, can take of the server.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub struct LimitsConfig {
    /// Maximum size in bytes of all request bodies and unsent responses that the server has in memory; further ones
    /// are rejected with status 503
    #[arg(long, global = true, env = "STOCKMETER_BODY_BUDGET", value_name = "BYTES")]
    #[arg(default_value = "134217728")]
    pub body_budget: u64,

    /// Maximum size in bytes of all uploaded files in the temporary directory; further ones are rejected with status
    /// 503
    #[arg(long, global = true, env = "STOCKMETER_IMPORT_SPACE", value_name = "BYTES")]
    #[arg(default_value = "4294967296")]
    pub import_space: u64,

    /// Maximum size in bytes of the responses that are stored for idempotency keys within their retention; further
    /// requests with a key are rejected with status 503
    #[arg(long, global = true, env = "STOCKMETER_IDEMPOTENCY_SPACE", value_name = "BYTES")]
    #[arg(default_value = "4294967296")]
    pub idempotency_space: u64,

    /// Maximum number of connections, or fewer if the process has too few file descriptors (ulimit -n); further ones are
    /// closed
    #[arg(long, global = true, env = "STOCKMETER_CONNECTIONS", value_name = "N")]
    #[arg(default_value = "4096", value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: u32,

    /// Maximum number of connections from one IPv4 address or IPv6 network (/64), except loopback and trusted proxies
    #[arg(long, global = true, env = "STOCKMETER_CONNECTIONS_PER_ADDRESS", value_name = "N")]
    #[arg(default_value = "256", value_parser = clap::value_parser!(u32).range(1..))]
    pub connections_per_address: u32,

    /// Maximum number of WebSocket connections; further ones are rejected with status 503
    #[arg(long, global = true, env = "STOCKMETER_WEBSOCKETS", value_name = "N", default_value = "1000")]
    pub websockets: u32,

    /// Maximum number of lists of all products that are sent at once; further ones are rejected with status 503
    #[arg(long, global = true, env = "STOCKMETER_STREAMED_LISTS", value_name = "N", default_value = "64")]
    pub streamed_lists: u32,

    /// Maximum number of responses that are compressed at once; further ones are sent uncompressed
    #[arg(long, global = true, env = "STOCKMETER_COMPRESSIONS", value_name = "N", default_value = "32")]
    pub compressions: u32,

    /// Maximum number of failed authentications in a minute from one IPv4 address or IPv6 network (/64); further ones
    /// get status 429
    #[arg(long, global = true, env = "STOCKMETER_FAILED_AUTHENTICATIONS", value_name = "N")]
    #[arg(default_value = "10", value_parser = clap::value_parser!(u32).range(1..))]
    pub failed_authentications: u32,

    /// Maximum rate of requests of each caller, in requests per second (`100/s`), minute (`600/min`) or hour; further
    /// ones get status 429. By default, the rate is not limited
    #[arg(long, global = true, env = "STOCKMETER_REQUEST_RATE", value_name = "RATE", value_parser = rate::parse)]
    pub request_rate: Option<Rate>,

    /// Number of requests that a caller may send at once within this rate; by default, the number in the rate
    #[arg(long, global = true, env = "STOCKMETER_REQUEST_BURST", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub request_burst: Option<u32>,
}

impl LimitsConfig {
    /// Returns the limit on the rate of requests, or `None` if the rate is not limited.
    pub fn request_rate(&self) -> Option<RequestRate> {
        self.request_rate.map(|rate| RequestRate::new(rate, self.request_burst.unwrap_or(rate.requests)))
    }
}
