use proptest::prelude::*;

use super::*;

fn written(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, text);
    out
}

/// Characters around every boundary of an escape, many of them next to each other.
fn boundary_text() -> impl Strategy<Value = String> {
    let chars = prop::sample::select(
        "\0\u{8}\t\n\u{c}\r\u{1f} !\"#[\\]/a~\u{7f}\u{80}\u{a0}ä\u{2028}\u{ffff}🦀"
            .chars()
            .collect::<Vec<_>>(),
    );
    prop::collection::vec(chars, 0..40).prop_map(String::from_iter)
}

/// Bytes of which few need an escape, so that the first one is anywhere in the text.
fn sparse_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![20 => 0x20..0xff_u8, 1 => any::<u8>(), 1 => Just(b'"'), 1 => Just(b'\\')];
    prop::collection::vec(byte, 0..100)
}

proptest! {
    #[test]
    fn strings_are_written_as_serde_json_writes_them(text in prop_oneof![any::<String>(), boundary_text()]) {
        prop_assert_eq!(String::from_utf8(written(&text)), Ok(serde_json::json!(text).to_string()));
    }

    #[test]
    fn the_unescaped_prefix_ends_at_the_first_byte_to_escape(text in sparse_bytes()) {
        let needs_escape = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
        let expected = text.iter().position(needs_escape).unwrap_or(text.len());
        prop_assert_eq!(unescaped_prefix_len(&text), expected);
    }
}

#[test]
fn each_byte_is_found_at_each_position() {
    for position in 0..20 {
        for byte in 0..=u8::MAX {
            let mut text = [b'a'; 20];
            text[position] = byte;
            let needs_escape = byte < 0x20 || byte == b'"' || byte == b'\\';
            let expected = if needs_escape { position } else { text.len() };
            assert_eq!(unescaped_prefix_len(&text), expected, "{byte} at {position}");
        }
    }
}
