//! Checks that the terms of `docs/glossary.md` are in use and that its forbidden words are not.

use std::{
    fs,
    path::{Path, PathBuf},
};

const GLOSSARY: &str = "docs/glossary.md";

/// Files and folders whose text people read.
const SEARCHED: &[&str] = &[
    "src",
    "entity/src",
    "tests",
    "benches",
    "docs",
    "deploy",
    "scripts",
    "playground",
    ".env.example",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "Cargo.toml",
    "Dockerfile",
    "README.md",
    "docker-compose.yml",
    "openapi.json",
    "prometheus.yml",
    "schema.graphql",
];

const SKIPPED_FOLDERS: &[&str] = &["node_modules", "dist", "__generated__", "data"];
const SKIPPED_FILES: &[&str] = &[GLOSSARY, "tests/it/glossary.rs", "package-lock.json"];

/// Phrases with a forbidden word that other software or the published schema requires, as [`words`] returns
/// them.
const ALLOWED: &[&str] = &[
    " connection refused ",
    " column name answer ",
    " alias refused ",
    " in place ",
    " deserialize seed ",
    " next element seed ",
    " next value seed ",
];

fn collect_files(path: &Path, files: &mut Vec<PathBuf>) {
    let is_skipped = |names: &[&str]| names.iter().any(|name| path.ends_with(name));
    if path.is_dir() && !is_skipped(SKIPPED_FOLDERS) {
        let entries = fs::read_dir(path).unwrap();
        entries.for_each(|entry| collect_files(&entry.unwrap().path(), files));
    } else if path.is_file() && !is_skipped(SKIPPED_FILES) {
        files.push(path.to_owned());
    }
}

/// Returns each searched file with its text.
fn searched_texts() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for name in SEARCHED {
        collect_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name), &mut files);
    }
    assert!(files.len() > 150, "only {} files are searched", files.len());
    // Images are skipped, because they are not UTF-8 text.
    files.into_iter().filter_map(|file| Some((file.clone(), fs::read_to_string(&file).ok()?))).collect()
}

/// Returns the words of a line in lower case, with a space around each word. Identifiers are split:
/// `AnswerBody` and `answer_body` both become " answer body ".
fn words(line: &str) -> String {
    let mut words = String::from(" ");
    let mut follows_lower_case = false;
    for char in line.chars() {
        if char.is_uppercase() && follows_lower_case {
            words.push(' ');
        }
        follows_lower_case = char.is_lowercase();
        words.extend(if char.is_alphanumeric() { char.to_lowercase().next() } else { Some(' ') });
    }
    words.push(' ');
    words.split_whitespace().fold(String::from(" "), |text, word| text + word + " ")
}

/// Returns the entries in the first column of the glossary's table below a heading.
fn first_column(heading: &str) -> Vec<String> {
    let glossary = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(GLOSSARY)).unwrap();
    let (_, section) = glossary.split_once(heading).unwrap();
    let section = section.split("\n#").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    // The first row is the heading of the table.
    rows.skip(1).flat_map(|cell| cell.split(", ").map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Returns a word and its inflections, each with a space around it, as in the result of [`words`].
fn inflections(word: &str) -> impl Iterator<Item = String> + use<'_> {
    ["", "s", "d", "ed", "ing", "al"].into_iter().map(move |ending| format!(" {word}{ending} "))
}

#[test]
fn each_glossary_term_is_in_use() {
    let texts: String = searched_texts().iter().map(|(_, text)| words(text)).collect();
    let terms = first_column("# Glossary");
    assert!(terms.len() >= 20, "{terms:?}");
    for term in terms {
        let used = inflections(words(&term).trim()).any(|form| texts.contains(&form));
        assert!(used, "nothing uses the term `{term}`");
    }
}

#[test]
fn no_forbidden_word_is_in_use() {
    let forbidden = first_column("## Forbidden words");
    assert!(forbidden.len() >= 15, "{forbidden:?}");
    let mut found = Vec::new();
    for (file, text) in searched_texts() {
        for (index, line) in text.lines().enumerate() {
            // `is_none` and `None` are names of the standard library, and `is None` is a condition in Python.
            let line = ["is_none", "is None", "`None`"]
                .iter()
                .fold(line.to_owned(), |line, name| line.replace(name, ""));
            let words = ALLOWED.iter().fold(words(&line), |words, allowed| words.replace(allowed, " "));
            for word in &forbidden {
                if inflections(word).any(|form| words.contains(&form)) {
                    found.push(format!("{}:{}: {word}", file.display(), index + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "{} forbidden words:\n{}", found.len(), found.join("\n"));
}
