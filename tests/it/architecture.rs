//! Checks the direction of the dependencies between modules in the source text.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn sources(folder: &Path) -> Vec<PathBuf> {
    if folder.is_file() {
        return vec![folder.to_owned()];
    }
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|ending| ending == "rs")).collect()
}

/// Returns the code without comment lines and white space. Each path in `use crate::{…}` gets the prefix
/// `crate::`.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = lines.flat_map(str::chars).filter(|char| !char.is_whitespace()).collect();
    let Some((before, rest)) = code.split_once("usecrate::{") else {
        return code;
    };
    let (mut depth, mut expanded) = (0, String::from("crate::"));
    for char in rest.split_once("};").unwrap().0.chars() {
        depth += i32::from(char == '{') - i32::from(char == '}');
        expanded.push(char);
        if char == ',' && depth == 0 {
            expanded.push_str("crate::");
        }
    }
    format!("{before};use{expanded};{}", rest.split_once("};").unwrap().1)
}

#[test]
fn each_module_names_only_those_below_it() {
    let http = ["axum", "async_graphql", "tower_http", "opentelemetry", "prometheus"];
    let upper = [
        "crate::rest",
        "crate::graphql",
        "crate::operations",
        "crate::app",
        "crate::server",
        "crate::http",
        "crate::telemetry",
    ];
    for (module, forbidden) in [
        ("entity/src", [&http[..], &["serde", "tokio"]].concat()),
        ("migration/src", [&http[..], &["useentity", "tokio"]].concat()),
        ("src/request_context.rs", [&http[..], &upper[..], &["crate::catalog", "crate::store"]].concat()),
        ("src/store", [&http[..], &upper[..], &["crate::catalog", "crate::formats"]].concat()),
        (
            "src/domain",
            [
                &http[..],
                &upper[..],
                &["sea_orm", "rusqlite", "tokio", "crate::catalog", "crate::store", "crate::formats"],
            ]
            .concat(),
        ),
        ("src/catalog", [&http[..], &upper[..], &["sea_orm", "rusqlite", "crate::formats"]].concat()),
        ("src/formats", [&http[..], &upper[..], &["sea_orm"]].concat()),
        (
            "src/rest",
            vec![
                "sea_orm",
                "async_graphql",
                "opentelemetry",
                "crate::graphql",
                "crate::telemetry",
                "crate::app",
                "crate::server",
            ],
        ),
        (
            "src/graphql",
            vec![
                "sea_orm",
                "opentelemetry",
                "crate::rest",
                "crate::telemetry",
                "crate::app",
                "crate::server",
            ],
        ),
        (
            "src/telemetry",
            vec![
                "crate::catalog",
                "crate::rest",
                "crate::graphql",
                "crate::operations",
                "crate::app",
                "crate::server",
                "sea_orm",
            ],
        ),
    ] {
        let files = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(module));
        assert!(!files.is_empty(), "{module}");
        for file in files {
            let code = code(&file);
            let found = forbidden.iter().find(|word| code.contains(*word));
            assert!(found.is_none(), "{} names {}", file.display(), found.unwrap());
        }
    }
}

/// Returns the paths of the `use` tree at the start of the text: `a::b` and `a::c` for `a::{b,c}`.
fn expand(tree: &str) -> Vec<String> {
    let end = tree.find(|char: char| !(char.is_alphanumeric() || "_:".contains(char)));
    let (prefix, rest) = tree.split_at(end.unwrap_or(tree.len()));
    let Some(items) = rest.strip_prefix('{') else {
        return vec![prefix.to_owned()];
    };
    let (mut depth, mut starts) = (0, vec![0]);
    for (index, char) in items.char_indices() {
        match char {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => starts.push(index + 1),
            _ => {}
        }
    }
    let paths = starts.into_iter().flat_map(|start| expand(&items[start..]));
    paths.map(|path| format!("{prefix}{path}")).collect()
}

/// Returns the file of the innermost module in the path, or `None` if no segment is a module. `names` is the
/// path of the module that contains it.
fn resolve(path: &str, names: &[String]) -> Option<PathBuf> {
    let (mut module, mut file) = (names.to_vec(), None);
    for segment in path.split("::") {
        match segment {
            "crate" => module.clear(),
            "super" => drop(module.pop()),
            _ => module.push(segment.to_owned()),
        }
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module.join("/"));
        let candidates = [source.with_extension("rs"), source.join("mod.rs")];
        match candidates.into_iter().find(|file| file.is_file()) {
            Some(found) => file = Some(found),
            None if segment == "crate" || segment == "super" => {}
            None => break,
        }
    }
    file
}

/// Returns the files of the modules that a file uses or declares, without those used only by unit tests.
fn dependencies(file: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let children = lines.clone().filter_map(|line| line.rsplit_once("mod ")?.1.strip_suffix(';'));
    let code: String = lines.clone().flat_map(str::chars).filter(|char| !char.is_whitespace()).collect();
    let relative = file.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let mut names: Vec<String> =
        relative.with_extension("").iter().map(|name| name.to_string_lossy().into_owned()).collect();
    names.retain(|name| name != "mod");
    let starts = code.match_indices("crate::").chain(code.match_indices("super::"));
    let paths = starts.flat_map(|(index, _)| expand(&code[index..]));
    paths.chain(children.map(str::to_owned)).filter_map(|path| resolve(&path, &names)).collect()
}

#[test]
fn no_module_reaches_one_above_it_through_others() {
    for (module, forbidden) in [
        ("domain", &["catalog", "store", "formats", "rest", "graphql", "http", "telemetry", "app"][..]),
        ("store", &["catalog", "formats", "rest", "graphql", "http", "telemetry", "app"]),
        ("catalog", &["formats", "rest", "graphql", "http", "telemetry", "app", "server"]),
        ("formats", &["rest", "graphql", "http", "telemetry", "app", "server"]),
        ("telemetry", &["catalog", "rest", "graphql", "operations", "app", "server"]),
        ("rest", &["graphql", "telemetry", "app", "server"]),
        ("graphql", &["rest", "telemetry", "app", "server"]),
    ] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut reached = sources(&source.join(module));
        let mut index = 0;
        while let Some(file) = reached.get(index) {
            for dependency in dependencies(file) {
                let above = forbidden.iter().find(|name| dependency.starts_with(source.join(name)));
                assert!(
                    above.is_none(),
                    "{module} reaches {} in {}",
                    above.unwrap(),
                    reached[index].display()
                );
                if !reached.contains(&dependency) {
                    reached.push(dependency);
                }
            }
            index += 1;
        }
        assert!(index > 2, "{module}");
    }
}

/// `mod.rs` and `lib.rs` files are skipped, because they re-export items of their modules.
#[test]
fn no_files_form_a_circle() {
    fn visit(file: &Path, path: &mut Vec<PathBuf>, done: &mut BTreeSet<PathBuf>) {
        if let Some(start) = path.iter().position(|other| other == file) {
            panic!("circle: {:?}", &path[start..]);
        }
        if file.ends_with("mod.rs") || file.ends_with("lib.rs") || !done.insert(file.to_owned()) {
            return;
        }
        path.push(file.to_owned());
        dependencies(file).iter().filter(|other| *other != file).for_each(|other| visit(other, path, done));
        path.pop();
    }
    let mut done = BTreeSet::new();
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        visit(&file, &mut Vec::new(), &mut done);
    }
}
