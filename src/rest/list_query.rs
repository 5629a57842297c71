//! What the query string of `GET /products` asks for.

use form_urlencoded::{Serializer, parse};

use crate::{
    catalog::{Cursor, Error, Filter, Listing, PageRequest, SortOrder, parse_cursor},
    http::problem::Problem,
};

/// A list as asked for.
#[derive(Debug)]
pub struct ListQuery {
    pub listing: Listing,
    /// One page, or all from a place on.
    pub part: Part,
    /// Whether all of them are to be counted.
    pub count: bool,
    /// What was asked for, without the place: the base of links to other pages.
    base: Vec<(String, String)>,
}

#[derive(Debug)]
pub enum Part {
    Page(PageRequest),
    AllAfter(Option<Cursor>),
}

const FIELDS: [&str; 4] = ["id", "name", "price", "amount"];

impl ListQuery {
    /// Reads a query string; parameters that mean nothing are refused by name.
    pub fn parse(query: &str) -> Result<Self, Problem> {
        let mut filter = Filter::default();
        let [mut limit, mut after, mut before, mut sort, mut count] = [const { None::<String> }; 5];
        let mut base = Vec::new();
        for (name, value) in parse(query.as_bytes()) {
            let once = match &*name {
                "limit" => &mut limit,
                "after" => &mut after,
                "before" => &mut before,
                "sort" => &mut sort,
                "count" => &mut count,
                _ => {
                    if !add_test(&mut filter, &name, &value)? {
                        return Err(unknown(&name));
                    }
                    base.push((name.into_owned(), value.into_owned()));
                    continue;
                }
            };
            if once.replace(value.clone().into_owned()).is_some() {
                return Err(Problem::malformed(format!("the parameter {name} can be given only once")));
            }
            if name != "after" && name != "before" {
                base.push((name.into_owned(), value.into_owned()));
            }
        }
        let order = sort.map_or(Ok(SortOrder::default()), |sort| SortOrder::parse(&sort))?;
        let (after, before) = (after.as_deref(), before.as_deref());
        if after.is_some() && before.is_some() {
            return Err(Problem::malformed("after and before can't be combined"));
        }
        if limit.is_none() && !order.is_by_id() {
            // Without an index each page of the list would be a scan of its own.
            return Err(Problem::malformed("sort by other than id needs a limit"));
        }
        let part = match limit {
            Some(limit) => Part::Page(PageRequest::from_limit(&limit, after, before, &order)?),
            None if before.is_some() => return Err(Problem::malformed("before needs a limit")),
            None => Part::AllAfter(parse_cursor("after", after, &order)?),
        };
        let count = match count.as_deref() {
            None => false,
            Some("exact") => true,
            Some(_) => return Err(Problem::malformed("count can only be exact")),
        };
        Ok(Self { listing: Listing { filter, order }, part, count, base })
    }

    /// The same list from another place on.
    pub fn link(&self, relation: &str, place: Option<(&str, &Cursor)>) -> String {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(&self.base);
        query.extend_pairs(place.map(|(name, cursor)| (name, cursor.encode())));
        format!("</products?{}>; rel=\"{relation}\"", query.finish())
    }
}

/// The filter of a query string that holds nothing else.
pub fn filter(query: &str) -> Result<Filter, Problem> {
    let mut filter = Filter::default();
    for (name, value) in parse(query.as_bytes()) {
        if !add_test(&mut filter, &name, &value)? {
            let known = "id, name, price and amount";
            return Err(Problem::malformed(format!("there is no parameter {name:?}; there are {known}")));
        }
    }
    Ok(filter)
}

/// Adds `name=test.operand`, if there is such a field.
fn add_test(filter: &mut Filter, name: &str, value: &str) -> Result<bool, Error> {
    let Some(field) = FIELDS.iter().find(|field| **field == name) else {
        return Ok(false);
    };
    let (test, operand) = value.split_once('.').unwrap_or((value, ""));
    let operands: Vec<&str> = if test == "in" { operand.split(',').collect() } else { vec![operand] };
    filter.add(field, test, &operands)?;
    Ok(true)
}

fn unknown(name: &str) -> Problem {
    let known = "limit, after, before, sort, count, id, name, price and amount";
    Problem::malformed(format!("there is no parameter {name:?}; there are {known}"))
}
