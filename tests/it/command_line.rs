//! The commands besides `serve`, and where settings come from.

use std::{fs, path::Path, process::Output};

use crate::harness::{Server, Setup, Store, Way, binary};

on_both_stores!(migrations_go_up_and_down_and_up, a_container_can_ask_whether_it_is_ready);

async fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    ended(binary(folder).args(arguments).output().await.unwrap())
}

fn ended(output: Output) -> (Option<i32>, String) {
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

async fn migrations_go_up_and_down_and_up(store: Store) {
    let setup = Setup::new(store).await;
    let migrate = async |direction: &[&str]| {
        let output = setup.command().arg("migrate").args(direction).output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let changes = [
        "23_000001_create_product",
        "24_000001_create_idempotency_key",
        "24_000002_create_product_change",
        "25_000001_group_product_changes",
        "25_000002_lighten_inserts",
        "28_000001_group_sqlite_changes",
        "28_000002_leap_sooner",
    ];
    // The first ones are applied.
    let status = |applied: usize| {
        let line = |(index, name)| {
            format!("{} m202611{name}\n", if index < applied { "applied" } else { "missing" })
        };
        changes.iter().enumerate().map(line).collect::<String>()
    };
    for (direction, applied) in [
        (&["status"][..], 0),
        (&[], 7),
        (&["status"], 7),
        (&["down"], 6),
        (&["down"], 5),
        (&["down"], 4),
        (&["down"], 3),
        (&["down"], 2),
        (&["down"], 1),
        (&["down"], 0),
        (&["down"], 0),
        (&["up"], 7),
    ] {
        assert_eq!(migrate(direction).await, status(applied), "{direction:?}");
    }
    assert_eq!(setup.start().await.get("/products").await.text, "[]");
}

async fn a_container_can_ask_whether_it_is_ready(store: Store) {
    let server = Server::start(store).await;
    let folder = server.setup.folder.path();
    assert_eq!(run(folder, &["healthcheck", "--listen", &server.address]).await, (Some(0), String::new()));
    let everywhere = server.address.replace("127.0.0.1", "0.0.0.0");
    assert_eq!(run(folder, &["healthcheck", "--listen", &everywhere]).await, (Some(0), String::new()));
    let way = Way::new();
    let nobody = format!("127.0.0.1:{}", way.port());
    let (code, text) = run(folder, &["healthcheck", "--listen", &nobody]).await;
    assert_eq!(code, Some(1));
    assert!(text.starts_with(&format!("error: no answer from {nobody}")), "{text}");
}

#[tokio::test]
async fn help_lists_every_setting() {
    let folder = tempfile::tempdir().unwrap();
    let (code, help) = run(folder.path(), &["--help"]).await;
    assert_eq!(code, Some(0));
    for text in
        ["[env: DATABASE_URL]", "[env: STOCKMETER_LISTEN=]", "[default: 127.0.0.1:8000]", "migrate", "schema"]
    {
        assert!(help.contains(text), "{text} in {help}");
    }
    let settings = help.split("Settings:").nth(1).unwrap();
    let flags = settings.lines().filter(|line| line.trim_start().starts_with("--")).count();
    assert_eq!((flags, settings.matches("[env: ").count()), (39, 39), "{settings}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |text: &str| fs::write(folder.path().join("stockmeter.toml"), text).unwrap();
    let with_file = ["--config", "stockmeter.toml", "healthcheck"];
    for (content, expected) in [
        ("listne = '127.0.0.1:1'", "`listne` is no setting"),
        ("listen = 'nowhere'", "invalid value 'nowhere' for '--listen"),
        ("http_duration_buckets = [1, 0.5]", "each above the one before"),
        ("cors_origins = ['shop.example']", "invalid value 'shop.example' for '--cors-origins"),
        (&format!("graphql_operation_names = '{}'", ["Q"; 331].join(",")), "331 names are more than the 330"),
        ("metrics_collection_interval = '0s'", "must be at least 100ms"),
        ("listen = ", "is no TOML: line 1"),
        ("\ndatabase_url = \"postgres://bob:horse@h/db", "is no TOML: line 2"),
    ] {
        file(content);
        let (code, text) = run(folder.path(), &with_file).await;
        assert!(code != Some(0) && text.contains(expected), "{content}: {text}");
        assert!(!text.contains("horse"), "{text}");
    }
    let (code, text) = run(folder.path(), &["--config", "missing.toml"]).await;
    assert!(code == Some(1) && text.contains("can't read missing.toml"), "{text}");

    let no_threads = binary(folder.path()).env("TOKIO_WORKER_THREADS", "0").arg("migrate").output().await;
    let (code, text) = ended(no_threads.unwrap());
    assert!(code == Some(1) && text.contains("TOKIO_WORKER_THREADS must be a whole number from 1"), "{text}");

    // A variable may be somebody else's: a warning.
    let setup = Setup::new(Store::Sqlite).await.with("STOCKMETER_LISTNE", "x");
    assert!(setup.start().await.log.line("not settings").await.contains("STOCKMETER_LISTNE"));
}

#[tokio::test]
async fn flags_win_over_the_environment_and_that_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let [in_file, in_environment, in_flag] = [1, 2, 3].map(|port| format!("127.0.0.1:{port}"));
    fs::write(folder.path().join("stockmeter.toml"), format!("listen = '{in_file}'")).unwrap();
    let asked = async |environment: Option<&str>, arguments: &[&str]| {
        let mut command = binary(folder.path());
        command.env("STOCKMETER_CONFIG", "stockmeter.toml");
        command.envs(environment.map(|listen| ("STOCKMETER_LISTEN", listen)));
        ended(command.arg("healthcheck").args(arguments).output().await.unwrap()).1
    };
    assert!(asked(None, &[]).await.contains(&in_file));
    assert!(asked(Some(&in_environment), &[]).await.contains(&in_environment));
    assert!(asked(Some(&in_environment), &["--listen", &in_flag]).await.contains(&in_flag));
}
