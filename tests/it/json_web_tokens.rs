//! JSON Web Tokens of another service.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use serde_json::{Value, json};

use crate::harness::{Server, Setup, Store, eventually};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Returns the time in seconds since 1970, plus an offset.
fn time(offset: i64) -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    now.as_secs().cast_signed() + offset
}

/// Returns a token with these parts, signed by `sign`.
fn token(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", base64(header.to_string()), base64(claims.to_string()));
    format!("{message}.{}", base64(sign(message.as_bytes())))
}

fn sign_with(secret: &str) -> impl Fn(&[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    move |message| hmac::sign(&key, message).as_ref().to_vec()
}

fn hs256(claims: &Value) -> String {
    token(&json!({ "alg": "HS256", "typ": "JWT" }), claims, sign_with(SECRET))
}

async fn get(server: &Server, token: &str) -> u16 {
    server.send(server.request("GET", "/products").bearer_auth(token)).await.status
}

async fn create(server: &Server, token: &str) -> u16 {
    let request = server.request("POST", "/products").bearer_auth(token);
    let request = request.header("content-type", "application/json");
    server.send(request.body(r#"{"name":"a","price":1,"amount":1}"#)).await.status
}

async fn start(settings: &[(&'static str, &str)]) -> Server {
    let setup = Setup::new(Store::Sqlite).await;
    settings.iter().fold(setup, |setup, (name, value)| setup.with(name, value)).start().await
}

#[tokio::test]
async fn the_scopes_are_those_of_the_claim() {
    let server = start(&[("STOCKMETER_JWT_SECRET", SECRET)]).await;
    assert_eq!(server.get("/products").await.status, 401);
    for (scope, read, write) in [
        (json!("read"), 200, 403),
        (json!("openid write email"), 200, 201),
        (json!(["write", "other"]), 200, 201),
        (json!("readwrite"), 403, 403),
        (json!(7), 403, 403),
        (json!(null), 403, 403),
    ] {
        let token = hs256(&json!({ "sub": "till", "exp": time(60), "scope": scope }));
        assert_eq!((get(&server, &token).await, create(&server, &token).await), (read, write), "{scope}");
    }
    let server = start(&[("STOCKMETER_JWT_SECRET", SECRET), ("STOCKMETER_JWT_SCOPE_CLAIM", "perms")]).await;
    assert_eq!(
        get(&server, &hs256(&json!({ "sub": "till", "exp": time(60), "perms": ["read"] }))).await,
        200
    );
    assert_eq!(get(&server, &hs256(&json!({ "sub": "till", "exp": time(60), "scope": "read" }))).await, 403);
}

#[tokio::test]
async fn similar_subjects_share_no_idempotency_keys() {
    let server = start(&[("STOCKMETER_JWT_SECRET", SECRET)]).await;
    let long = "x".repeat(100);
    let subjects = [json!(format!("{long}a")), json!(format!("{long}b")), json!("ab"), json!("a\nb")];
    let callers = subjects.map(|subject| json!({ "sub": subject })).into_iter().chain([
        json!({ "sub": "ab", "iss": "https://login.example" }),
        json!({ "sub": "ab", "iss": "https://other.example" }),
    ]);
    for (index, mut claims) in callers.enumerate() {
        (claims["exp"], claims["scope"]) = (json!(time(60)), json!("write"));
        let request = server.request("POST", "/products").bearer_auth(hs256(&claims));
        let request = request.header("idempotency-key", "same").header("content-type", "application/json");
        let created = server.send(request.body(r#"{"name":"a","price":1,"amount":1}"#)).await;
        assert_eq!((created.status, &created.json()["id"]), (201, &json!(index + 1)), "{claims}");
    }
}

#[tokio::test]
async fn invalid_tokens_are_rejected() {
    let server = start(&[
        ("STOCKMETER_JWT_SECRET", SECRET),
        ("STOCKMETER_JWT_AUDIENCE", "stockmeter"),
        ("STOCKMETER_JWT_ISSUER", "https://login.example"),
    ])
    .await;
    let claims = |changes: Value| {
        let mut claims = json!({ "sub": "till", "exp": time(60), "scope": "read", "aud": "stockmeter", "iss": "https://login.example" });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    };
    assert_eq!(get(&server, &hs256(&claims(json!({})))).await, 200);
    assert_eq!(get(&server, &hs256(&claims(json!({ "aud": ["other", "stockmeter"] })))).await, 200);
    for changes in [
        json!({ "exp": time(-1) }),
        json!({ "exp": null }),
        json!({ "exp": "tomorrow" }),
        json!({ "nbf": time(60) }),
        json!({ "aud": "other" }),
        json!({ "aud": null }),
        json!({ "iss": "https://evil.example" }),
        json!({ "iss": null }),
        json!({ "iss": ["https://login.example"] }),
        json!({ "sub": null }),
        json!({ "sub": "" }),
    ] {
        assert_eq!(get(&server, &hs256(&claims(changes.clone()))).await, 401, "{changes}");
    }
    let claims = claims(json!({}));
    let valid = hs256(&claims);
    let mut tampered = valid.clone();
    tampered.replace_range(valid.len() - 4.., "AAAA");
    let other = token(&json!({ "alg": "HS256" }), &claims, sign_with("0123456789abcdef0123456789abcdeX"));
    let none = token(&json!({ "alg": "none" }), &claims, |_| Vec::new());
    let stripped = valid.rsplit_once('.').unwrap().0.to_owned() + ".";
    let jku = json!({ "alg": "HS512", "jku": "http://127.0.0.1:1/keys" });
    let with_jku = token(&jku, &claims, sign_with(SECRET));
    for token in [tampered, other, none, stripped, with_jku, "a.b.c".to_owned(), "..".to_owned()] {
        assert_eq!(get(&server, &token).await, 401, "{token}");
    }
}

/// A file with an EC key and an Ed25519 key, and functions that sign with them.
struct Keys {
    document: Value,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Keys {
    fn generate() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let ec = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let ec = EcdsaKeyPair::from_pkcs8(algorithm, ec.as_ref(), &random).unwrap();
        let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let ed = Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap();
        let point = ec.public_key().as_ref();
        let document = json!({ "keys": [
            { "kty": "EC", "crv": "P-256", "kid": "ec", "x": base64(&point[1..33]), "y": base64(&point[33..]) },
            { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": base64(ed.public_key().as_ref()) },
            { "kty": "EC", "crv": "P-384", "kid": "unused", "x": base64([1; 48]), "y": base64([2; 48]) },
        ]});
        Self { document, ec, ed }
    }

    fn es256(&self, key_id: &str, claims: &Value) -> String {
        let header = json!({ "alg": "ES256", "kid": key_id });
        token(&header, claims, |message| {
            self.ec.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
        })
    }

    fn eddsa(&self, key_id: &str, claims: &Value) -> String {
        let header = json!({ "alg": "EdDSA", "kid": key_id });
        token(&header, claims, |message| self.ed.sign(message).as_ref().to_vec())
    }
}

#[tokio::test]
async fn a_file_of_public_keys_is_read_again_when_it_changes() {
    let (keys, new_keys) = (Keys::generate(), Keys::generate());
    let setup = Setup::new(Store::Sqlite).await;
    let file = setup.folder.path().join("keys.json");
    fs::write(&file, keys.document.to_string()).unwrap();
    let server = setup.with("STOCKMETER_JWT_KEYS", file.display()).start().await;
    let claims = json!({ "sub": "till", "exp": time(600), "scope": "read" });
    assert_eq!(get(&server, &keys.es256("ec", &claims)).await, 200);
    assert_eq!(get(&server, &keys.eddsa("ed", &claims)).await, 200);
    for rejected in [
        keys.es256("ed", &claims),
        keys.eddsa("unknown", &claims),
        new_keys.es256("ec", &claims),
        // A public key is no shared secret.
        token(
            &json!({ "alg": "HS256", "kid": "ed" }),
            &claims,
            sign_with(keys.document["keys"][1]["x"].as_str().unwrap()),
        ),
    ] {
        assert_eq!(get(&server, &rejected).await, 401, "{rejected}");
    }

    let replace = |text: String, age: u64| {
        let next = file.with_extension("next");
        fs::write(&next, text).unwrap();
        let opened = fs::File::options().write(true).open(&next).unwrap();
        opened.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        fs::rename(&next, &file).unwrap();
    };
    replace("{".to_owned(), 20);
    server.log.wait_for_line("cannot read the JWT keys again").await;
    assert_eq!(get(&server, &keys.es256("ec", &claims)).await, 200);
    replace(new_keys.document.to_string(), 10);
    eventually("the new keys are used", async || get(&server, &new_keys.es256("ec", &claims)).await == 200)
        .await;
    assert_eq!(get(&server, &keys.es256("ec", &claims)).await, 401);
}

/// Modulus of an RSA key that OpenSSL has generated, because ring generates none.
const RSA_MODULUS: &str = "iFNYjUJ14tIY50D68Eq3Q6JOOBS8B-OpkY7x-tkWkE6eIk7LZwfziw0970MHHO64PtCH_HAi1RxNHYDBKhBcOBeNgMPmB8iI5MJb\
    QeAwDYxlmhtzrmUC9dyfiNeo23dZT9ON2o-_XMCwmnKswzlJbmPgfCCaislLpx-RXX1TLbMBuli_R8lSuvYQ2Jf2QJfdl3JOAnZI\
    z4-wVtvnZV8jGGTDWHl0DgYtZnRt1HIDQOomEYQHvFTkduz1JXMP0rMlRYTImdq2bkVyCTFUKbaU27zu1fBRQm5vCouQD792cl6A\
    xO08L7JCf_8SxfJvYAnh5dkTRuUzFYa1B3P-gUQiAw";

/// Token that OpenSSL has signed with this key: `{"sub":"till","exp":4102444800,"scope":"write"}`.
const RSA_TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSJ9.eyJzdWIiOiJ0aWxsIiwiZXhwIjo0MTAyNDQ0ODAwLCJzY29wZSI6IndyaXRlIn0\
    .AzYfOH9FJoeRtUkBduxnnNw9_6Z1dW-NiCt1UOg2G72GZ1EIQIARBE5XcUixJlpwUgHpUKb7_RdRje6uCmEYSqFsJxSnlv6dSoC\
    JB0uu7q0ncze0S9JTW7zwxuLbEbzmxYNvqPeOmQBCO_TDeG_TwoxIEo0Rd-WCT15LZZczL77zfQKFUdxoIfA4N1848XYxueDq4L8\
    xJjGsgv73fkY_GKOKohoehG_pm58K0Rw30-BET_nQra8SG883FgZftxxW9MQk3c0dTyExBVM8hYJ2hGVODfgQakxvE3C64HzF7L8\
    Q10yaym5z35XiJAm3307RZty9tTnlKr8hcGKOcY3Gcg";

#[tokio::test]
async fn rsa_signatures_are_verified() {
    let jwk = |alg: &str| json!({ "kty": "RSA", "kid": "rsa", "alg": alg, "n": RSA_MODULUS, "e": "AQAB" });
    let setup = Setup::new(Store::Sqlite).await;
    let file = setup.folder.path().join("keys.json");
    fs::write(&file, json!({ "keys": [jwk("RS256")] }).to_string()).unwrap();
    let server = setup.clone().with("STOCKMETER_JWT_KEYS", file.display()).start().await;
    assert_eq!((get(&server, RSA_TOKEN).await, create(&server, RSA_TOKEN).await), (200, 201));
    let (message, signature) = RSA_TOKEN.rsplit_once('.').unwrap();
    let tampered = format!("{message}.{}", signature.replace('A', "B"));
    assert_eq!(get(&server, &tampered).await, 401);
    // The key is meant for another algorithm.
    fs::write(&file, json!({ "keys": [jwk("PS256")] }).to_string()).unwrap();
    let output = setup.with("STOCKMETER_JWT_KEYS", file.display()).command().output().await.unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("no key for RS256, ES256 or EdDSA"));
}

#[tokio::test]
async fn unusable_keys_end_the_start() {
    let setup = Setup::new(Store::Sqlite).await;
    let file = setup.folder.path().join("keys.json");
    fs::write(&file, json!({ "keys": [{ "kty": "oct", "k": base64(SECRET) }] }).to_string()).unwrap();
    let file = file.display().to_string();
    for (settings, expected) in [
        (&[("STOCKMETER_JWT_SECRET", "too short")][..], "at least 32 random bytes"),
        (&[("STOCKMETER_JWT_KEYS", "missing.json")], "cannot read the JWT keys in missing.json"),
        (&[("STOCKMETER_JWT_KEYS", file.as_str())], "shared secret: set STOCKMETER_JWT_SECRET"),
        (
            &[("STOCKMETER_JWT_KEYS", file.as_str()), ("STOCKMETER_JWT_SECRET", SECRET)],
            "more than one source",
        ),
        (&[("STOCKMETER_JWT_SECRET_KEY", "true")], "the variable SECRET_KEY is not"),
        (&[("STOCKMETER_JWT_SECRET_KEY", "true"), ("SECRET_KEY", "short")], "at least 32 random bytes"),
    ] {
        let setup = settings.iter().fold(setup.clone(), |setup, (name, value)| setup.with(name, value));
        let output = setup.command().output().await.unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && message.contains(expected), "{settings:?}: {message}");
    }
}

#[tokio::test]
async fn the_secret_of_the_legacy_service_is_used_only_on_request() {
    let server = start(&[("SECRET_KEY", SECRET)]).await;
    server.log.wait_for_line("SECRET_KEY has no effect").await;
    assert_eq!(server.get("/products").await.status, 200);
    let server = start(&[("SECRET_KEY", SECRET), ("STOCKMETER_JWT_SECRET_KEY", "true")]).await;
    assert_eq!(server.get("/products").await.status, 401);
    assert_eq!(get(&server, &hs256(&json!({ "sub": "till", "exp": time(60), "scope": "read" }))).await, 200);
}
