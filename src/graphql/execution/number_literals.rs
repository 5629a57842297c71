//! Finds the number literals of a text without parsing the rest.

use super::nesting_depth::{after_comment, after_string_literal};

/// Iterates over the number literals of a valid GraphQL document or JSON text, in order.
pub struct NumberLiterals<'a> {
    rest: &'a str,
}

impl<'a> NumberLiterals<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { rest: text }
    }
}

impl<'a> Iterator for NumberLiterals<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            let is_start = |char: char| matches!(char, '"' | '#' | '-') || is_name(char);
            let token = self.rest.trim_start_matches(|char| !is_start(char));
            self.rest = match token.chars().next()? {
                '"' => after_string_literal(&token[1..]),
                '#' => after_comment(token),
                '-' | '0'..='9' => {
                    let is_number = |char| matches!(char, '0'..='9' | '+' | '-' | '.' | 'e' | 'E');
                    let rest = token.trim_start_matches(is_number);
                    self.rest = rest;
                    return Some(&token[..token.len() - rest.len()]);
                }
                _ => token.trim_start_matches(is_name),
            };
        }
    }
}

fn is_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}
