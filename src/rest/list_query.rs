//! Parser of the query string of `GET /products` and of the filters of `DELETE /products`.

use form_urlencoded::{Serializer, parse};

use super::filter_query::add_filter;
use crate::{
    domain::{
        Cursor, Error, Filter, Listing, PageRequest, SortColumn, SortDirection, SortKey, SortOrder,
        parse_cursor,
    },
    formats::Format,
    http::{problem::Problem, query_string::check_utf8},
};

/// Parsed query string of `GET /products`.
#[derive(Debug)]
pub struct ListQuery {
    pub listing: Listing,
    pub window: Window,
    /// Whether `X-Total-Count` is requested.
    pub count: bool,
    /// Format of a file to download; `None` if `Accept` decides.
    pub format: Option<Format>,
    /// Parameters other than `after` and `before`, for links to other pages.
    link_params: Vec<(String, String)>,
}

/// Part of the list to return.
#[derive(Debug)]
pub enum Window {
    Page(PageRequest),
    /// All products after the cursor; without a cursor, all products.
    AllAfter(Option<Cursor>),
}

const SORT_COLUMNS: [SortColumn; 4] =
    [SortColumn::Id, SortColumn::Name, SortColumn::Price, SortColumn::Amount];

/// Parameters of `GET /products`, for error messages.
const LIST_PARAMETERS: &str = "limit, after, before, sort, count, format, id, name, price and amount";
/// Parameters of `DELETE /products`, for error messages.
const FILTER_PARAMETERS: &str = "id, name, price and amount";

impl ListQuery {
    /// Parses the query string of `GET /products`.
    ///
    /// # Errors
    /// Returns a 400 problem for unknown, repeated or conflicting parameters, and a 422 problem for invalid
    /// values.
    pub fn parse(query: &str) -> Result<Self, Problem> {
        check_utf8(Some(query))?;
        let mut filter = Filter::default();
        let [mut limit, mut after, mut before, mut sort, mut count, mut format] =
            [const { None::<String> }; 6];
        let mut link_params = Vec::new();
        for (name, value) in parse(query.as_bytes()) {
            let slot = match &*name {
                "limit" => &mut limit,
                "after" => &mut after,
                "before" => &mut before,
                "sort" => &mut sort,
                "count" => &mut count,
                "format" => &mut format,
                _ => {
                    if !add_filter(&mut filter, &name, &value)? {
                        return Err(unknown_parameter(&name, LIST_PARAMETERS));
                    }
                    link_params.push((name.into_owned(), value.into_owned()));
                    continue;
                }
            };
            if slot.replace(value.clone().into_owned()).is_some() {
                return Err(Problem::malformed(format!("{name} must be given only once")));
            }
            if name != "after" && name != "before" {
                link_params.push((name.into_owned(), value.into_owned()));
            }
        }
        let order = sort.map_or(Ok(SortOrder::default()), |sort| parse_sort(&sort))?;
        let (after, before) = (after.as_deref(), before.as_deref());
        if after.is_some() && before.is_some() {
            return Err(Problem::malformed("after and before cannot be combined"));
        }
        if limit.is_none() && !order.is_by_id() {
            // Without an index on the other fields, every page of the stream would scan the whole table.
            return Err(Problem::malformed("limit is required to sort by fields other than id"));
        }
        let window = match limit {
            Some(limit) => Window::Page(PageRequest::from_limit(&limit, after, before, &order)?),
            None if before.is_some() => return Err(Problem::malformed("limit is required with before")),
            None => Window::AllAfter(parse_cursor("after", after, &order)?),
        };
        let count = match count.as_deref() {
            None => false,
            Some("exact") => true,
            Some(_) => return Err(Problem::malformed("count must be `exact`")),
        };
        let format = format.map(|name| {
            let unknown = || Problem::malformed("format must be csv, ndjson or json");
            Format::from_extension(&name).ok_or_else(unknown)
        });
        let listing = Listing { filter, order };
        Ok(Self { listing, window, count, format: format.transpose()?, link_params })
    }

    /// Returns a link to another page of the list, for the `Link` header. `position` is `after` or `before`
    /// with a cursor, or `None` for the first page.
    pub fn link(&self, relation: &str, position: Option<(&str, &Cursor)>) -> String {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(&self.link_params);
        query.extend_pairs(position.map(|(name, cursor)| (name, cursor.encode())));
        format!("</products?{}>; rel=\"{relation}\"", query.finish())
    }
}

/// Parses a query string that may contain only filters.
///
/// # Errors
/// Returns a 400 problem for other parameters, and a 422 problem for invalid filters.
pub fn parse_filter(query: &str) -> Result<Filter, Problem> {
    check_utf8(Some(query))?;
    let mut filter = Filter::default();
    for (name, value) in parse(query.as_bytes()) {
        if !add_filter(&mut filter, &name, &value)? {
            return Err(unknown_parameter(&name, FILTER_PARAMETERS));
        }
    }
    Ok(filter)
}

/// Parses a sort order. For example, `price,-name` sorts by ascending price, and equal prices by descending
/// name.
fn parse_sort(text: &str) -> Result<SortOrder, Error> {
    let key = |text: &str| {
        let (direction, name) = match text.strip_prefix('-') {
            Some(name) => (SortDirection::Descending, name),
            None => (SortDirection::Ascending, text),
        };
        let rule = "must be a list of id, name, price or amount; prefix a field with - for descending order";
        let column = SORT_COLUMNS.into_iter().find(|column| column.name() == name);
        Ok(SortKey { column: column.ok_or_else(|| Error::invalid("sort", rule))?, direction })
    };
    SortOrder::new(text.split(',').map(key).collect::<Result<Vec<_>, Error>>()?)
}

fn unknown_parameter(name: &str, valid: &str) -> Problem {
    Problem::malformed(format!("unknown parameter {name:?}: use only {valid}"))
}
