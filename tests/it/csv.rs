//! CSV files that are not RFC 4180: the error names the line, the cause and the remedy.

use crate::harness::{Server, Store};

const HEADER: &str = "name,price,amount";

/// Uploads a file and returns the line and the detail of each error.
async fn errors(server: &Server, file: impl Into<Vec<u8>>) -> Vec<(u64, String)> {
    let file = file.into();
    let shown = String::from_utf8_lossy(&file).into_owned();
    let request = server.request("POST", "/products").header("content-type", "text/csv").body(file);
    let response = server.send(request).await;
    assert_eq!(response.status, 422, "{shown:?}: {response:?}");
    let problem = response.json();
    let errors = problem["errors"].as_array().unwrap().iter();
    errors
        .map(|error| (error["line"].as_u64().unwrap(), error["detail"].as_str().unwrap().to_owned()))
        .collect()
}

#[tokio::test]
async fn misplaced_quotes_are_rejected() {
    let server = Server::start(Store::Sqlite).await;
    for (row, cause) in [
        (r#""24" monitor",99.5,3"#, "text after a closing quote"),
        (r#""a"b,1,1"#, "text after a closing quote"),
        (r#""a" ,1,1"#, "text after a closing quote"),
        (r#""a"b"#, "text after a closing quote"),
        (r#"a,1,"1"x"#, "text after a closing quote"),
        (r#"24" monitor,99.5,3"#, "quote inside a field"),
        (r#"a"",1,1"#, "quote inside a field"),
        (r#" "a",1,1"#, "quote inside a field"),
        (r#"a, "1",1"#, "quote inside a field"),
    ] {
        for line_break in ["\n", "\r\n", "\r"] {
            let file = [HEADER, "b,1,1", row, "c,x,1"].join(line_break);
            let found = errors(&server, file).await;
            assert!(found[0].0 == 3 && found[0].1.contains(cause), "{row}: {found:?}");
            // The following rows are checked as well.
            assert_eq!((found.len(), found[1].0, found[1].1.as_str()), (2, 4, "must be a number"), "{row}");
        }
    }
    for row in [r#""a,1,1"#, "\"a\nb,1,1\nc,1,1\n", r#"a,1,"1"#, r#""a"",1,1"#, r#"""#] {
        let found = errors(&server, format!("{HEADER}\r\nb,1,1\r\n{row}")).await;
        assert!(found[0].0 == 3 && found[0].1.contains("not closed"), "{row}: {found:?}");
    }
    for header in ["\"name\"s,price,amount\n", "na\"me,price,amount\n", "\"name,price,amount\na,1,1\n"] {
        let found = errors(&server, header).await;
        assert!(found[0].0 == 1 && found[0].1.contains("quote"), "{header}: {found:?}");
    }
    server.get("/products").await.is(200, "[]");

    let valid =
        "\"name\",\"price\",amount\n\"24\"\" monitor\",99.5,\"3\"\n\"\"\"\",1,1\n'a',\"1\",1\n\"b, c\",1,1";
    let request = server.request("POST", "/products").header("content-type", "text/csv").body(valid);
    server.send(request).await.is(201, r#"{"products":4}"#);
    let names = server.get("/products?format=ndjson").await.text;
    assert!(names.contains(r#""24\" monitor""#) && names.contains(r#""name":"\"""#), "{names}");
}

#[tokio::test]
async fn line_numbers_do_not_depend_on_the_line_breaks() {
    let server = Server::start(Store::Sqlite).await;
    for line_break in ["\n", "\r\n", "\r"] {
        // Line 3 is empty, and the name on lines 4 and 5 has a line break.
        let rows = [HEADER, "a,1,1", "", "\"b", "c\",1,1", "d,x,1", "e,1", "f,1,1"];
        let found = errors(&server, rows.join(line_break)).await;
        let lines: Vec<_> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [4, 6, 7], "{line_break:?}: {found:?}");
        // The file is longer than the read buffer, so that line breaks are split between two reads.
        let long = [HEADER].into_iter().chain((0..30_000).map(|_| "a,1,1")).chain(["b,x,1"]);
        let found = errors(&server, long.collect::<Vec<_>>().join(line_break)).await;
        assert_eq!(found, [(30_002, "must be a number".to_owned())], "{line_break:?}");
    }
    let product = r#"{"name":"a","price":1,"amount":1}"#;
    for line_break in ["\n", "\r\n", "\r"] {
        let long = (0..30_000).map(|_| product).chain(["", r#"{"name":"a","price":true,"amount":1}"#]);
        let file = long.collect::<Vec<_>>().join(line_break);
        let request = server.request("POST", "/products").header("content-type", "application/x-ndjson");
        let errors = server.send(request.body(file)).await.json()["errors"].take();
        assert_eq!((errors[0]["line"].as_u64(), &errors[0]["pointer"]), (Some(30_002), &"/price".into()));
    }
    let mixed = format!("{HEADER}\na,1,1\r\n\rb,1,1\r\n\nc,x,1");
    assert_eq!(errors(&server, mixed).await[0].0, 6);
}

#[tokio::test]
async fn dialects_of_spreadsheet_programs_are_explained() {
    let server = Server::start(Store::Sqlite).await;
    let comma = "must not have a comma; write 999.99 instead of 999,99, and 1999 instead of 1,999";
    let utf16: Vec<u8> = "\u{feff}name,price,amount\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (file, line, text) in [
        (
            "name;price;amount\na;999,99;1\n".into(),
            1,
            "separates fields with semicolons: export the file with commas",
        ),
        ("\u{feff}Name;Price;Amount\r\na;1;1\r\n".into(), 1, "separates fields with semicolons"),
        ("\"name\";\"price\"\n".into(), 1, "separates fields with semicolons"),
        ("sep=;\nname;price;amount\n".into(), 1, "delete the line and separate fields with commas"),
        ("\u{feff}SEP=,\r\nname,price,amount\r\n".into(), 1, "delete the line"),
        ("name\tprice\tamount\n".into(), 1, "separates fields with tabs"),
        (format!("{HEADER}\na;1;1\n"), 2, "separates fields with semicolons"),
        (format!("{HEADER}\na\t1\t1\n"), 2, "separates fields with tabs"),
        (
            format!("{HEADER}\na,999,99,1\n"),
            2,
            "has 4 fields, but the header row has 3: put a field with a comma",
        ),
        (format!("{HEADER}\na,\"999,99\",1\n"), 2, comma),
        (format!("{HEADER}\na,\"1,000.50\",1\n"), 2, comma),
        (format!("{HEADER}\na,1,\"1,000\"\n"), 2, comma),
        (format!("id,{HEADER}\n\"1,000\",a,1,1\n"), 2, comma),
    ] {
        let found = errors(&server, file.clone()).await;
        assert!(found.len() == 1 && found[0].0 == line && found[0].1.contains(text), "{file:?}: {found:?}");
    }
    for file in [utf16, b"n\xe4me,price,amount\n".to_vec()] {
        assert_eq!(
            errors(&server, file).await,
            [(1, "is not UTF-8: save the file with the encoding UTF-8".to_owned())]
        );
    }
}
