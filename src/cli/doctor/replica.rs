//! Check of the replica.

use super::{Finding, database::TIMEOUT, failed, ok, warning};
use crate::{
    config::Config,
    server,
    store::{self, DatabaseUrl, ReadOnly},
};

/// Returns a finding about the replica, or `None` if none is configured. The server also works without it.
pub(super) async fn check(config: &Config) -> Option<Finding> {
    let subject = "replica";
    let replica = match server::replica(config) {
        Ok(replica) => replica?,
        Err(error) => return Some(failed(subject, error.to_string())),
    };
    let (database, url) = (server::database_url(config), replica.url);
    let has_file = |url: &DatabaseUrl| url.file().is_some();
    if has_file(&url) || database.is_ok_and(|database| has_file(&database)) {
        let text = "only PostgreSQL has replicas; remove DATABASE_READ_URL, or change DATABASE_URL";
        return Some(failed(subject, text));
    }
    Some(match store::inspect(&url, TIMEOUT).await {
        Ok(inspection) if inspection.read_only == Some(ReadOnly::Standby) => {
            ok(subject, format!("{url} responds, it is a standby"))
        }
        Ok(_) => warning(subject, format!("{url} is not a standby; check DATABASE_READ_URL")),
        Err(error) => warning(
            subject,
            format!("cannot read {url}: {error}; reads ask the primary, check DATABASE_READ_URL"),
        ),
    })
}
