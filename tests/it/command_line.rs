//! Commands other than `serve`, and the sources of settings.

use std::{fs, path::Path, process::Output};

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::harness::{Server, Setup, Store, TcpProxy, binary, cluster};

on_both_stores!(migrations_can_be_reverted_and_applied_again, the_healthcheck_command_reports_readiness);

async fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    code_and_output(binary(folder).args(arguments).output().await.unwrap())
}

fn code_and_output(output: Output) -> (Option<i32>, String) {
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

async fn migrations_can_be_reverted_and_applied_again(store: Store) {
    let setup = Setup::new(store).await;
    let migrate = async |direction: &[&str]| {
        let output = setup.command().arg("migrate").args(direction).output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let migrations = [
        "23_000001_create_product",
        "24_000001_create_idempotency_key",
        "24_000002_create_product_change",
        "25_000001_group_product_changes",
        "25_000002_lighten_inserts",
        "28_000001_group_sqlite_changes",
        "28_000002_leap_sooner",
        "30_000001_separate_id_counter",
        "30_000002_log_each_change",
        "30_000003_number_log_rows_safely",
        "30_000004_create_api_token",
    ];
    // Returns the expected output if the first `applied` migrations have run.
    let status = |applied: usize| {
        let line = |(index, name)| {
            format!("{} m202611{name}\n", if index < applied { "applied" } else { "pending" })
        };
        migrations.iter().enumerate().map(line).collect::<String>()
    };
    if store == Store::Sqlite {
        std::fs::File::create(setup.file()).unwrap();
    }
    for (direction, applied) in [
        (&["status"][..], 0),
        (&[], 11),
        (&["status"], 11),
        (&["down"], 10),
        (&["down"], 9),
        (&["down"], 8),
        (&["down"], 7),
        (&["down"], 6),
        (&["down"], 5),
        (&["down"], 4),
        (&["down"], 3),
        (&["down"], 2),
        (&["down"], 1),
        (&["down"], 0),
        (&["down"], 0),
        (&["up"], 11),
    ] {
        assert_eq!(migrate(direction).await, status(applied), "{direction:?}");
    }
    assert_eq!(setup.start().await.get("/products").await.text, "[]");
}

/// A misspelt URL is the likely cause.
#[tokio::test]
async fn commands_create_no_database_by_accident() {
    let setup = Setup::new(Store::Sqlite).await;
    for arguments in [
        &["migrate", "status"][..],
        &["migrate", "down"],
        &["export", "products.csv"],
        &["backup", "backup.db"],
        &["import", "missing.csv"],
        &["import", "missing"],
        &["import", "-", "--format", "csv"],
    ] {
        let output = setup.command().args(arguments).output().await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert_eq!(fs::read_dir(setup.folder.path()).unwrap().count(), 0, "{arguments:?}");
    }
    let setup = Setup::new(Store::PostgreSql).await;
    let database = cluster().await.connect(setup.database.as_deref().unwrap()).await;
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    let tables = Statement::from_string(DbBackend::Postgres, tables);
    for (arguments, code) in [(&["export", "products.csv"], 1), (&["migrate", "status"], 0)] {
        let output = setup.command().args(arguments).output().await.unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let count = database.query_one_raw(tables.clone()).await.unwrap().unwrap().try_get_by_index(0);
        assert_eq!(count, Ok(0_i64), "{arguments:?}");
    }
}

#[tokio::test]
async fn an_export_does_not_replace_the_database() {
    let setup = Setup::new(Store::Sqlite).await;
    assert!(setup.command().arg("migrate").output().await.unwrap().status.success());
    std::os::unix::fs::symlink("stockmeter.db", setup.folder.path().join("link")).unwrap();
    for target in ["stockmeter.db", "./stockmeter.db", "link"] {
        let output = setup.command().args(["export", target, "--format", "csv"]).output().await.unwrap();
        let (code, text) = code_and_output(output);
        assert!(code == Some(1) && text.contains("the file belongs to the database"), "{text}");
    }
    assert_eq!(setup.start().await.get("/products").await.text, "[]");
}

async fn the_healthcheck_command_reports_readiness(store: Store) {
    let server = Server::start(store).await;
    let folder = server.setup.folder.path();
    assert_eq!(run(folder, &["healthcheck", "--listen", &server.address]).await, (Some(0), String::new()));
    let all_interfaces = server.address.replace("127.0.0.1", "0.0.0.0");
    assert_eq!(run(folder, &["healthcheck", "--listen", &all_interfaces]).await, (Some(0), String::new()));
    let proxy = TcpProxy::new();
    let closed_port = format!("127.0.0.1:{}", proxy.port());
    let (code, text) = run(folder, &["healthcheck", "--listen", &closed_port]).await;
    assert_eq!(code, Some(1));
    assert!(text.starts_with(&format!("error: no response from {closed_port}")), "{text}");
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
    assert_eq!((flags, settings.matches("[env: ").count()), (65, 65), "{settings}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_name_unknown_and_invalid_settings() {
    let folder = tempfile::tempdir().unwrap();
    let file = |text: &str| fs::write(folder.path().join("stockmeter.toml"), text).unwrap();
    let with_file = ["--config", "stockmeter.toml", "healthcheck"];
    for (content, expected) in [
        ("listne = '127.0.0.1:1'", "unknown setting `listne`"),
        ("listen = 'nowhere'", "invalid value 'nowhere' for '--listen"),
        ("http_duration_buckets = [1, 0.5]", "must be positive and strictly increasing"),
        ("cors_origins = ['shop.example']", "invalid value 'shop.example' for '--cors-origins"),
        (
            &format!("graphql_operation_names = '{}'", ["Q"; 331].join(",")),
            "331 names given, but at most 330",
        ),
        ("request_rate = '100'", "must be a number per second, minute or hour"),
        ("request_rate = '0/s'", "the number of requests must be 1 to 1000000"),
        ("metrics_collection_interval = '0s'", "must be at least 100ms"),
        ("listen = ", "invalid TOML in stockmeter.toml, line 1"),
        ("\ndatabase_url = \"postgres://bob:horse@h/db", "invalid TOML in stockmeter.toml, line 2"),
    ] {
        file(content);
        let (code, text) = run(folder.path(), &with_file).await;
        assert!(code == Some(2) && text.contains(expected), "{content}: {text}");
        assert!(!text.contains("horse"), "{text}");
    }
    let (code, text) = run(folder.path(), &["--config", "missing.toml"]).await;
    assert!(code == Some(2) && text.contains("cannot read missing.toml"), "{text}");

    let no_threads = binary(folder.path()).env("TOKIO_WORKER_THREADS", "0").arg("migrate").output().await;
    let (code, text) = code_and_output(no_threads.unwrap());
    assert!(
        code == Some(1) && text.contains("TOKIO_WORKER_THREADS must be a whole number, at least 1"),
        "{text}"
    );

    // An unknown environment variable may belong to another program, so it only causes a warning.
    let setup = Setup::new(Store::Sqlite).await.with("STOCKMETER_LISTNE", "x");
    assert!(
        setup
            .start()
            .await
            .log
            .wait_for_line("unknown environment variables")
            .await
            .contains("STOCKMETER_LISTNE (did you mean STOCKMETER_LISTEN?)")
    );
}

#[tokio::test]
async fn flags_override_the_environment_which_overrides_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let [in_file, in_environment, in_flag] = [1, 2, 3].map(|port| format!("127.0.0.1:{port}"));
    fs::write(folder.path().join("stockmeter.toml"), format!("listen = '{in_file}'")).unwrap();
    let healthcheck = async |environment: Option<&str>, arguments: &[&str]| {
        let mut command = binary(folder.path());
        command.env("STOCKMETER_CONFIG", "stockmeter.toml");
        command.envs(environment.map(|listen| ("STOCKMETER_LISTEN", listen)));
        code_and_output(command.arg("healthcheck").args(arguments).output().await.unwrap()).1
    };
    assert!(healthcheck(None, &[]).await.contains(&in_file));
    assert!(healthcheck(Some(&in_environment), &[]).await.contains(&in_environment));
    assert!(healthcheck(Some(&in_environment), &["--listen", &in_flag]).await.contains(&in_flag));
}

#[tokio::test]
async fn the_settings_are_printed_with_their_sources() {
    let setup = Setup::new(Store::PostgreSql).await.with("STOCKMETER_LOG", "warn");
    fs::write(setup.folder.path().join("stockmeter.toml"), "database_wait = \"5s\"\n").unwrap();
    let mut command = setup.command();
    command.args(["config", "--config", "stockmeter.toml", "--subscriptions", "7"]);
    let (code, printed) = code_and_output(command.output().await.unwrap());
    assert_eq!(code, Some(0), "{printed}");
    for line in [
        "log = \"warn\"  # environment variable STOCKMETER_LOG",
        "database_wait = \"5s\"  # stockmeter.toml",
        "subscriptions = \"7\"  # command line",
        "request_timeout = \"30s\"  # default",
        "# database_url is hidden, environment variable DATABASE_URL",
        "# anonymous is not set",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line} in {printed}");
    }
    assert!(!printed.contains("correct-horse"), "{printed}");

    // Both outputs are files that the program reads.
    let (_, example) = run(setup.folder.path(), &["config", "--example"]).await;
    let example = example.lines().map(|line| line.strip_prefix("# ").unwrap_or(line));
    let is_setting = |line: &&str| line.split_once(" = ").is_some_and(|(name, _)| !name.contains(' '));
    let example = example.filter(is_setting).collect::<Vec<_>>().join("\n");
    for file in [printed, example] {
        fs::write(setup.folder.path().join("printed.toml"), file).unwrap();
        let (code, text) = run(setup.folder.path(), &["config", "--config", "printed.toml"]).await;
        assert_eq!(code, Some(0), "{text}");
    }
}

#[tokio::test]
async fn completions_and_the_manual_page_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let (code, script) = run(folder.path(), &["completions", shell]).await;
        assert!(
            code == Some(0) && script.contains("healthcheck") && script.contains("database-url"),
            "{script}"
        );
    }
    let (code, page) = run(folder.path(), &["man"]).await;
    assert!(code == Some(0) && page.contains(".TH stockmeter 1") && page.contains("DATABASE_URL"), "{page}");
}

#[tokio::test]
async fn a_full_standard_output_is_an_error_and_an_early_reader_is_not() {
    let setup = Setup::new(Store::Sqlite).await;
    for arguments in ["config", "config --example", "completions bash", "man", "schema", "openapi", "doctor"]
    {
        for (script, expected) in [("stockmeter $0 >/dev/full", 1), ("set -o pipefail; stockmeter $0 | :", 0)]
        {
            let program = env!("CARGO_BIN_EXE_stockmeter");
            let script = script.replace("stockmeter", program);
            let mut shell = tokio::process::Command::new("/bin/bash");
            shell.args(["-c", &script, arguments]).current_dir(setup.folder.path());
            let output = shell.env("STOCKMETER_LISTEN", "127.0.0.1:0").output().await.unwrap();
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(expected), "{arguments}: {error}");
            assert_eq!(error.contains("standard output"), expected == 1, "{arguments}: {error}");
        }
    }
}
