//! JSON Web Tokens (RFC 7519), signed by another service.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm},
};
use serde_json::{Map, Value};

use super::ring_provider;
use crate::domain::{Caller, Identity, Scopes};

/// Minimum length of a shared secret: that of the digest (RFC 7518 section 3.2).
pub const MIN_SECRET_BYTES: usize = 32;

/// Settings of JSON Web Tokens.
#[derive(Clone, Debug)]
pub struct JwtOptions {
    pub keys: JwtKeys,
    /// Required value of the claim `aud`; `None` if the claim is not checked.
    pub audience: Option<String>,
    /// Required value of the claim `iss`; `None` if the claim is not checked.
    pub issuer: Option<String>,
    /// Claim with the scopes: a list of names, or text with names separated by spaces.
    pub scope_claim: String,
}

/// Keys that verify tokens.
#[derive(Clone, Debug)]
pub enum JwtKeys {
    /// File with public keys in the format JWKS (RFC 7517), for RS256, ES256 and `EdDSA`.
    File(PathBuf),
    /// Shared secret for HS256.
    Secret(Vec<u8>),
}

/// Reason why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JwtError {
    #[error("cannot read the JWT keys in {file}: {error}", file = .file.display())]
    Read { file: PathBuf, error: io::Error },
    #[error("cannot use the JWT keys in {file}: {error}", file = .file.display())]
    Invalid { file: PathBuf, error: String },
    #[error("the JWT secret is too short: use at least {MIN_SECRET_BYTES} random bytes")]
    ShortSecret,
}

/// Verifies tokens.
pub(super) struct JwtVerifier {
    options: JwtOptions,
    keys: RwLock<LoadedKeys>,
}

#[derive(Clone)]
struct LoadedKeys {
    keys: Arc<Vec<Key>>,
    /// Time at which the file was changed; `None` for a shared secret.
    modified_at: Option<SystemTime>,
}

struct Key {
    /// `None` if the key has no id; tokens of any key id are then verified with it.
    id: Option<String>,
    algorithm: Algorithm,
    verifying: DecodingKey,
}

impl JwtVerifier {
    /// Reads the keys.
    ///
    /// # Errors
    /// Returns an error if there is no key that can be used.
    pub fn new(options: JwtOptions) -> Result<Self, JwtError> {
        ring_provider::install();
        let keys = RwLock::new(load(&options.keys)?);
        Ok(Self { options, keys })
    }

    /// Reads the file of the keys again if it has changed. If it cannot be used, the known keys stay valid.
    pub fn reload(&self) {
        let JwtKeys::File(file) = &self.options.keys else {
            return;
        };
        let known = self.keys.read().unwrap_or_else(PoisonError::into_inner).modified_at;
        if modified_at(file).ok() == known {
            return;
        }
        match load(&self.options.keys) {
            Ok(keys) => {
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
                tracing::info!("read the JWT keys again");
            }
            Err(error) => tracing::warn!(%error, "cannot read the JWT keys again"),
        }
    }

    /// Returns the caller of a token, or `None` if the token is not valid.
    pub fn verify(&self, token: &[u8]) -> Option<Caller> {
        let header = decode_header(token).ok()?;
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner).keys.clone();
        let is_candidate = |key: &&Key| {
            let same_id = key.id.is_none() || header.kid.is_none() || key.id == header.kid;
            key.algorithm == header.alg && same_id
        };
        let verified = keys.iter().filter(is_candidate).find_map(|key| {
            decode::<Map<String, Value>>(token, &key.verifying, &self.validation(key.algorithm)).ok()
        });
        self.caller(&verified?.claims)
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let JwtOptions { audience, issuer, .. } = &self.options;
        let mut validation = Validation::new(algorithm);
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.validate_aud = audience.is_some();
        let mut required = vec!["exp"];
        if let Some(audience) = audience {
            validation.set_audience(&[audience]);
            required.push("aud");
        }
        if let Some(issuer) = issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        validation
    }

    fn caller(&self, claims: &Map<String, Value>) -> Option<Caller> {
        let seconds = claims.get("exp")?.as_f64().filter(|seconds| *seconds >= 0.0)?;
        let expires_at = SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)?;
        let scopes = match claims.get(&self.options.scope_claim) {
            Some(Value::String(names)) => Scopes::from_known_names(names.split_whitespace()),
            Some(Value::Array(names)) => Scopes::from_known_names(names.iter().filter_map(Value::as_str)),
            _ => Scopes::NONE,
        };
        // Callers without a name would share idempotency keys.
        let subject = claims.get("sub")?.as_str().filter(|subject| !subject.is_empty())?.to_owned();
        let issuer = claims.get("iss").map_or(Some(""), Value::as_str)?.to_owned();
        Some(Caller::new(Identity::Subject { issuer, subject }, scopes, Some(expires_at)))
    }
}

fn load(keys: &JwtKeys) -> Result<LoadedKeys, JwtError> {
    match keys {
        JwtKeys::Secret(secret) => {
            let key = DecodingKey::from_secret(secret).ok().filter(|_| secret.len() >= MIN_SECRET_BYTES);
            let key = key.ok_or(JwtError::ShortSecret)?;
            let key = Key { id: None, algorithm: Algorithm::HS256, verifying: key };
            Ok(LoadedKeys { keys: Arc::new(vec![key]), modified_at: None })
        }
        JwtKeys::File(file) => {
            let read = |error| JwtError::Read { file: file.clone(), error };
            let modified_at = Some(modified_at(file).map_err(read)?);
            let text = fs::read_to_string(file).map_err(read)?;
            let invalid = |error| JwtError::Invalid { file: file.clone(), error };
            let keys = parse(&text).map_err(invalid)?;
            Ok(LoadedKeys { keys: Arc::new(keys), modified_at })
        }
    }
}

fn modified_at(file: &Path) -> io::Result<SystemTime> {
    fs::metadata(file)?.modified()
}

/// Returns the keys of a set that can verify tokens. Skips keys for other algorithms or purposes.
///
/// # Errors
/// Returns a message if the text is not a set of keys, contains a shared secret, or has no key to use.
fn parse(text: &str) -> Result<Vec<Key>, String> {
    let set: JwkSet = serde_json::from_str(text).map_err(|error| format!("not a JWKS document: {error}"))?;
    let mut keys = Vec::new();
    for jwk in &set.keys {
        if matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_)) {
            return Err("the file has a shared secret: set STOCKMETER_JWT_SECRET instead".to_owned());
        }
        if let Some(algorithm) = algorithm(jwk) {
            let verifying = DecodingKey::from_jwk(jwk).map_err(|error| error.to_string())?;
            keys.push(Key { id: jwk.common.key_id.clone(), algorithm, verifying });
        }
    }
    if keys.is_empty() {
        return Err("no key for RS256, ES256 or EdDSA".to_owned());
    }
    Ok(keys)
}

/// Returns the algorithm of a key, or `None` if the server does not accept tokens of this kind.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    jwk.common.key_algorithm.is_none_or(|stated| stated == name).then_some(algorithm)
}
