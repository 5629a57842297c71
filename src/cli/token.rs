//! The command `token`: creates, lists and ends API tokens.

use std::time::{Duration, SystemTime};

use clap::Subcommand;

use crate::{
    access::tokens,
    audit,
    domain::{ApiToken, Error, Scopes, TokenId, TokenName},
    store::Store,
};

/// Subcommands of `stockmeter token`.
#[derive(Clone, Debug, Subcommand)]
pub enum TokenCommand {
    /// Create a token and print it; it is not shown again
    Create {
        /// Name for people, for example of the client
        #[arg(long, value_parser = parse_name)]
        name: TokenName,
        /// What the token allows: read, write (includes read), admin (includes write) or metrics, or several of
        /// them separated by commas
        #[arg(long, value_name = "SCOPES", value_parser = parse_scopes)]
        scope: Scopes,
        /// Time until the token expires, such as 90d; without it, the token does not expire
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        expires: Option<Duration>,
    },
    /// List all tokens
    List,
    /// Revoke a token; running servers reject it within 5 seconds
    Revoke {
        /// Id of the token, as in the list
        #[arg(value_parser = parse_id)]
        id: TokenId,
    },
    /// Create a token that replaces another one, with its name, scopes and expiry, and print it
    Rotate {
        /// Id of the replaced token
        #[arg(value_parser = parse_id)]
        id: TokenId,
        /// Time for which the replaced token stays valid
        #[arg(long, value_name = "TIME", default_value = "24h", value_parser = humantime::parse_duration)]
        grace: Duration,
    },
}

/// Runs the command. Returns the text for standard output, such as a new token; everything else is written to standard error.
///
/// # Errors
/// Returns an error if there is no such token, or the database fails.
pub async fn run(store: &dyn Store, command: TokenCommand) -> Result<String, Error> {
    match command {
        TokenCommand::Create { name, scope, expires } => {
            let (text, token) = audited("create", tokens::create(store, name, scope, expires).await)?;
            describe_new(&token);
            return Ok(format!("{text}\n"));
        }
        TokenCommand::List => return Ok(list(&tokens::list(store).await?)),
        TokenCommand::Revoke { id } => {
            let revoked = tokens::revoke(store, id).await.map(|token| ((), token));
            let ((), token) = audited("revoke", revoked)?;
            eprintln!("revoked {id} ({})", token.name.as_str());
        }
        TokenCommand::Rotate { id, grace } => {
            let (text, token) = audited("rotate", tokens::rotate(store, id, grace).await)?;
            describe_new(&token);
            eprintln!("{id} ends in {}", humantime::format_duration(grace));
            return Ok(format!("{text}\n"));
        }
    }
    Ok(String::new())
}

/// Writes the line of the audit log, and returns the result.
fn audited<T>(operation: &'static str, result: Result<(T, ApiToken), Error>) -> Result<(T, ApiToken), Error> {
    match &result {
        Ok((_, token)) => audit::token(operation, token),
        Err(error) => audit::token_failed(operation, error),
    }
    result
}

fn describe_new(token: &ApiToken) {
    eprintln!(
        "created {} ({}) with scope {}, expires {}; it is shown only once:",
        token.id,
        token.name.as_str(),
        token.scopes,
        time(token.expires_at)
    );
}

fn list(tokens: &[ApiToken]) -> String {
    let head = "ID\tSCOPES\tCREATED\tEXPIRES\tLAST USED\tREVOKED\tNAME\n".to_owned();
    let lines = tokens.iter().map(|token| {
        let ApiToken { id, name, scopes, created_at, expires_at, revoked_at, last_used_at, .. } = token;
        let (created, expires) = (time(Some(*created_at)), time(*expires_at));
        let (used, revoked) = (time(*last_used_at), time(*revoked_at));
        format!("{id}\t{scopes}\t{created}\t{expires}\t{used}\t{revoked}\t{}\n", name.as_str())
    });
    head + &lines.collect::<String>()
}

/// Returns a time in seconds since 1970 (UTC) as in RFC 3339.
fn time(seconds: Option<i64>) -> String {
    let since_1970 = seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    let time = since_1970.and_then(|duration| SystemTime::UNIX_EPOCH.checked_add(duration));
    time.map_or("never".to_owned(), |time| humantime::format_rfc3339_seconds(time).to_string())
}

fn parse_name(text: &str) -> Result<TokenName, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

fn parse_scopes(text: &str) -> Result<Scopes, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

fn parse_id(text: &str) -> Result<TokenId, String> {
    text.parse().map_err(|error: Error| error.to_string())
}
