//! The API tokens in memory, so that authentication needs no statement.

use std::{
    collections::HashMap,
    mem,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use crate::{
    domain::{ApiToken, Caller, Identity, TokenDigest, TokenId},
    unix_time::now,
};

/// All tokens of the database, and the caller without credentials.
#[derive(Default)]
pub(super) struct TokenTable {
    tokens: HashMap<TokenId, Entry>,
    pub anonymous: Caller,
}

struct Entry {
    token: ApiToken,
    caller: Caller,
    /// Whether the token was used since the last call of [`TokenTable::take_used`].
    used: AtomicBool,
}

impl TokenTable {
    pub fn has_tokens(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// Returns the caller with a token, or `None` if the token is unknown or has ended.
    pub fn find(&self, id: TokenId, digest: TokenDigest) -> Option<Caller> {
        let entry = self.tokens.get(&id).filter(|entry| entry.token.digest == digest)?;
        let is_valid = entry.token.is_valid(now());
        if is_valid && !entry.used.load(Relaxed) {
            entry.used.store(true, Relaxed);
        }
        is_valid.then(|| entry.caller.clone())
    }

    /// Returns whether a caller still has the scopes with which it was authenticated.
    pub fn is_current(&self, caller: &Caller) -> bool {
        match caller.identity() {
            Identity::Anonymous => self.anonymous == *caller,
            Identity::Token(id) => self
                .tokens
                .get(id)
                .is_some_and(|entry| entry.caller == *caller && entry.token.is_valid(now())),
            Identity::MetricsToken | Identity::Subject { .. } => true,
        }
    }

    /// Replaces the tokens and the caller without credentials. Returns whether anything but the times of use has
    /// changed.
    pub fn update(&mut self, tokens: Vec<ApiToken>, anonymous: Caller) -> bool {
        let is_same = |token: &ApiToken| {
            self.tokens.get(&token.id).is_some_and(|entry| {
                ApiToken { last_used_at: None, ..token.clone() }
                    == ApiToken { last_used_at: None, ..entry.token.clone() }
            })
        };
        if anonymous == self.anonymous && tokens.len() == self.tokens.len() && tokens.iter().all(is_same) {
            return false;
        }
        let mut before = mem::take(&mut self.tokens);
        let entry = |token: ApiToken| {
            let used = before.remove(&token.id).map(|entry| entry.used).unwrap_or_default();
            (token.id, Entry { caller: caller(&token), token, used })
        };
        self.tokens = tokens.into_iter().map(entry).collect();
        self.anonymous = anonymous;
        true
    }

    /// Returns the tokens that were used since the last call.
    pub fn take_used(&self) -> Vec<TokenId> {
        let used = self.tokens.values().filter(|entry| entry.used.swap(false, Relaxed));
        used.map(|entry| entry.token.id).collect()
    }
}

fn caller(token: &ApiToken) -> Caller {
    let seconds = token.expires_at.and_then(|end| u64::try_from(end).ok());
    let expires_at = seconds.and_then(|end| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(end)));
    Caller::new(Identity::Token(token.id), token.scopes, expires_at)
}
