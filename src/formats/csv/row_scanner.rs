//! Counts the lines of a CSV file and finds misplaced quotes. `csv-core`, which splits the rows into fields, does
//! neither: it reads any text as CSV.

const QUOTE_IN_FIELD: &str = "has a quote inside a field: put the field in quotes and double the quote";
const TEXT_AFTER_QUOTE: &str = "has text after a closing quote: double each quote inside a field";
const UNCLOSED_QUOTE: &str =
    "starts a row whose last quote is not closed: close it, or double it inside a field";

/// Scanner of the same bytes that the parser reads.
#[derive(Debug, Default)]
pub struct RowScanner {
    /// Number of line breaks so far. A line ends with LF, CRLF or CR.
    line_breaks: u64,
    /// Whether the last byte was CR. A following LF belongs to the same line break.
    after_cr: bool,
    state: State,
    /// First error of the current row.
    error: Option<&'static str>,
}

/// Position within a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    FieldStart,
    Unquoted,
    Quoted,
    /// After a quote within a quoted field. It closes the field unless another quote follows.
    AfterQuote,
}

impl RowScanner {
    /// Starts a row and returns the number of its first line, from 1.
    pub fn start_row(&mut self) -> u64 {
        (self.state, self.error) = (State::FieldStart, None);
        self.line_breaks + 1
    }

    /// Scans the next bytes of the file.
    pub fn scan(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let is_crlf = *byte == b'\n' && self.after_cr;
            self.after_cr = *byte == b'\r';
            self.line_breaks += u64::from(matches!(byte, b'\r' | b'\n') && !is_crlf);
            self.state = match byte {
                b'"' => match self.state {
                    State::FieldStart | State::AfterQuote => State::Quoted,
                    State::Quoted => State::AfterQuote,
                    State::Unquoted => self.reject(QUOTE_IN_FIELD),
                },
                _ if self.state == State::Quoted => State::Quoted,
                b',' | b'\r' | b'\n' => State::FieldStart,
                _ if self.state == State::AfterQuote => self.reject(TEXT_AFTER_QUOTE),
                _ => State::Unquoted,
            };
        }
    }

    fn reject(&mut self, error: &'static str) -> State {
        self.error.get_or_insert(error);
        State::Unquoted
    }

    /// Returns what is wrong with the quotes of the current row, or `None` if they are valid. A row ends within a
    /// quoted field only at the end of the file.
    pub fn end_row(&self) -> Option<&'static str> {
        self.error.or((self.state == State::Quoted).then_some(UNCLOSED_QUOTE))
    }
}
