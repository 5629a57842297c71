//! Creates products: any number in one statement, all or none.
//!
//! One statement, because a request may be dropped at any moment when its client leaves: the database either
//! gets the whole of it or nothing, and no connection goes back to the pool inside a transaction.

use std::collections::{HashMap, HashSet};

use entity::product;
use futures_util::future::join_all;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, RuntimeErr, SqlErr,
    Statement, Value as SqlValue, sqlx::error::DatabaseError,
};

use super::{
    At, Catalog, Error, NewProduct, Product, ProductId, Version, batch::Serve, error::Fault,
    product::MOST_FAULTS, version::TRIES,
};
use crate::database::Kind;

/// Generated ids are below this, and follow every id below it that was ever used (see the migration).
const GENERATED_BELOW: i64 = 1 << 52;

/// Ids asked for in one statement: well below the databases' limits on parameters.
const IDS_PER_QUERY: usize = 10_000;

/// What to do with a product whose id is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Taken {
    /// Nothing is stored.
    #[default]
    Refuse,
    /// It takes the place of the one that is there.
    Replace,
}

/// What a statement does with an id that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    Fail,
    Skip,
    Replace,
}

/// Who waits for a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    One,
    /// They are not kept waiting long by another transaction.
    Many,
}

impl For {
    /// What PostgreSQL is told before it inserts; ends with the statement.
    fn patience(self) -> &'static str {
        match self {
            Self::One => "",
            Self::Many => "set_config('lock_timeout', '100ms', true) AS patience,",
        }
    }
}

impl Conflict {
    /// The chosen ids that are stored, where that need not be all of them.
    fn chosen(self) -> &'static str {
        if self == Self::Fail { "" } else { "UNION ALL SELECT id FROM chosen" }
    }

    /// A product that has the version already was stored by the same call before: nothing replaces that one.
    fn clause(self) -> &'static str {
        match self {
            Self::Fail => "",
            Self::Skip => "ON CONFLICT (id) DO NOTHING",
            Self::Replace => {
                "ON CONFLICT (id) DO UPDATE SET name = excluded.name, price = excluded.price, \
                 amount = excluded.amount, version = excluded.version \
                 WHERE product.version <> excluded.version"
            }
        }
    }
}

/// `$1` to `$4` are the columns as arrays, `$5` is the version. Ids go in sorted, so that two arrays can't deadlock, and
/// only then the sequence moves past them: a refused array leaves it where it was. `{conflict}` is for
/// [`Conflict::clause`], `{patience}` for [`For::patience`], `{chosen}` for [`Conflict::chosen`].
const INSERT_CHOSEN_POSTGRESQL: &str = "
WITH chosen AS (
    INSERT INTO product (id, name, price, amount, version)
    SELECT id, name, price, amount, $5
    FROM {patience} unnest($1::bigint[], $2::text[], $3::bigint[], $4::integer[]) AS sent (id, name, price, amount)
    ORDER BY id {conflict}
    RETURNING id
), moved AS MATERIALIZED (
    SELECT product_id_used(max(id) FILTER (WHERE id < 4503599627370496), 0) FROM chosen
)
SELECT NULL::bigint FROM moved {chosen}";

/// As [`INSERT_CHOSEN_POSTGRESQL`], with `$6` ids to generate, for products with the id 0: after the chosen ones.
const INSERT_POSTGRESQL: &str = "
WITH sent AS MATERIALIZED (
    SELECT sent.* FROM {patience} unnest($1::bigint[], $2::text[], $3::bigint[], $4::integer[])
        WITH ORDINALITY AS sent (id, name, price, amount, place)
), chosen AS (
    INSERT INTO product (id, name, price, amount, version)
    SELECT id, name, price, amount, $5 FROM sent WHERE id > 0 ORDER BY id {conflict}
    RETURNING id
), moved AS MATERIALIZED (
    SELECT product_id_used(max(id) FILTER (WHERE id < 4503599627370496), $6) FROM chosen
), numbered AS MATERIALIZED (
    SELECT nextval('product_id') AS id, name, price, amount
    FROM moved, (SELECT * FROM sent WHERE id = 0 ORDER BY place) AS without_id
), generated AS (
    INSERT INTO product (id, name, price, amount, version)
    SELECT id, name, price, amount, $5 FROM numbered
)
SELECT numbered.id FROM moved LEFT JOIN numbered ON true {chosen}";

/// `{rows}` are the products, those with chosen ids first. Of ids to generate, -1 is the first one, -2 the second; `{missing}`
/// is how many there are, and where so many are not left, nothing is stored. `{highest}` is the highest id below 2^52 that
/// was chosen, `{version}` the version, `{conflict}` for [`Conflict::clause`].
const INSERT_SQLITE: &str = "
WITH sent (id, name, price, amount) AS ({rows}), used (last, missing) AS (
    SELECT max(last, {highest}, coalesce((SELECT max(id) FROM product WHERE id < 4503599627370496), 0)), {missing}
    FROM product_id
)
INSERT INTO product (id, name, price, amount, version)
SELECT CASE WHEN id < 0 THEN last - id ELSE id END, name, price, amount, {version} FROM used, sent
WHERE id IS NOT NULL AND (missing = 0 OR last + missing < 4503599627370496) {conflict}";

/// Most products of several arrays that are stored together; and most that SQLite gets as so many parameters, which takes
/// it half as long as a JSON array of them.
pub(super) const MOST_TOGETHER: usize = 4096;

/// Brings the sequence behind ids that somebody stored past the server.
const CATCH_UP_POSTGRESQL: &str =
    "SELECT product_id_used((SELECT max(id) FROM product WHERE id < 4503599627370496), 0)";

impl Catalog {
    /// Creates one product, or with [`Taken::Replace`] puts it in the place of the one with its id.
    ///
    /// # Errors
    /// [`Error::Duplicate`], [`Error::IdsExhausted`], [`Error::VersionRequired`] for a replacement, or the
    /// database fails.
    pub async fn create(&self, new: NewProduct, taken: Taken) -> Result<Product, Error> {
        match &self.0.batches {
            Some(batches) if taken == Taken::Refuse => {
                match batches.creates.ask(new, || Creator(self.clone())).await? {
                    Ok(answer) => answer,
                    Err(new) => self.create_alone(new, taken).await,
                }
            }
            _ => self.create_alone(new, taken).await,
        }
    }

    /// Creates those of them whose ids are free, in one statement; no id is named twice.
    async fn create_each(&self, mut new: Vec<NewProduct>) -> Vec<OrAlone<NewProduct, Product>> {
        let version = Version::first(uuid::Uuid::new_v4().as_u64_pair().0);
        let stored = match self.try_store(&new, version, Conflict::Skip, For::Many).await {
            Ok(Some(stored)) => stored,
            Err(error) if !is_refusal(&error) => {
                let error = Error::from(error);
                return new.iter().map(|_| Ok(Err(error.clone()))).collect();
            }
            // One is to blame: it waits for somebody else's transaction, no id is left to generate, or somebody used one
            // past the server.
            _ => return new.into_iter().map(Err).collect(),
        };
        self.0.feed.changed();
        let stored_ids: HashSet<i64> = stored.iter().copied().collect();
        let refusal = |new: &NewProduct| {
            let id = new.id.filter(|id| !stored_ids.contains(&id.get()))?;
            Some(Error::Duplicate(vec![id_fault(new.at, id)]))
        };
        let refusals: Vec<_> = new.iter().map(refusal).collect();
        let mut refused = refusals.iter().map(Option::is_some);
        new.retain(|_| refused.next() != Some(true));
        let products = put_together(new, stored, version).unwrap_or_else(|error| {
            tracing::error!(%error, "products were stored under ids that nobody asked for");
            Vec::new()
        });
        let mut products = products.into_iter();
        let answer = |refusal: Option<Error>| match refusal {
            Some(refusal) => Ok(Err(refusal)),
            None => Ok(products.next().ok_or(Error::Internal)),
        };
        refusals.into_iter().map(answer).collect()
    }

    async fn create_alone(&self, new: NewProduct, taken: Taken) -> Result<Product, Error> {
        let mut created = self.insert(vec![new], taken).await?;
        created.pop().ok_or(Error::Internal)
    }

    /// Creates all of them or none; the answer is in the order given.
    ///
    /// # Errors
    /// As [`Catalog::create`]; [`Error::Duplicate`] names each product whose id is taken, or given twice.
    pub async fn create_many(&self, new: Vec<NewProduct>, taken: Taken) -> Result<Vec<Product>, Error> {
        refuse_repeated_ids(&new)?;
        match &self.0.batches {
            Some(batches) if taken == Taken::Refuse && !new.is_empty() => {
                match batches.arrays.ask(new, || Creator(self.clone())).await? {
                    Ok(answer) => answer,
                    Err(new) => self.insert(new, taken).await,
                }
            }
            _ => self.insert(new, taken).await,
        }
    }

    /// Creates all of all arrays, in one statement; where one of them can't be, the others are to be created alone.
    async fn create_together(
        &self,
        arrays: Vec<Vec<NewProduct>>,
    ) -> Vec<OrAlone<Vec<NewProduct>, Vec<Product>>> {
        let lengths: Vec<usize> = arrays.iter().map(Vec::len).collect();
        let new: Vec<NewProduct> = arrays.into_iter().flatten().collect();
        let version = Version::first(uuid::Uuid::new_v4().as_u64_pair().0);
        let error = match self.try_store(&new, version, Conflict::Fail, For::Many).await {
            Ok(Some(stored)) => {
                self.0.feed.changed();
                match put_together(new, stored, version) {
                    Ok(products) => {
                        return split(products, &lengths).map(|products| Ok(Ok(products))).collect();
                    }
                    Err(error) => error,
                }
            }
            Err(error) if !is_refusal(&error) => error.into(),
            refused => {
                let is_taken = refused.is_err_and(|error| is_unique_violation(&error));
                let answer = async |array: Vec<NewProduct>| match self.taken(&array).await {
                    Ok(taken) if !taken.is_empty() => Ok(Err(Error::Duplicate(taken))),
                    _ => Err(array),
                };
                let arrays = split(new, &lengths);
                return if is_taken { join_all(arrays.map(answer)).await } else { arrays.map(Err).collect() };
            }
        };
        lengths.iter().map(|_| Ok(Err(error.clone()))).collect()
    }

    async fn insert(&self, new: Vec<NewProduct>, taken: Taken) -> Result<Vec<Product>, Error> {
        let conflict = match taken {
            Taken::Refuse => Conflict::Fail,
            Taken::Replace => Conflict::Replace,
        };
        self.may_replace(taken)?;
        let version = Version::first(uuid::Uuid::new_v4().as_u64_pair().0);
        let stored = self.store(&new, version, conflict).await?;
        self.0.feed.changed();
        put_together(new, stored, version)
    }

    /// Who replaces can't tell which version he means.
    pub(super) fn may_replace(&self, taken: Taken) -> Result<(), Error> {
        if taken == Taken::Replace && self.0.rules.require_version {
            Err(Error::VersionRequired)
        } else {
            Ok(())
        }
    }

    /// Stores the products in one statement and returns their ids, in any order: with [`Conflict::Fail`] the generated ones
    /// alone, with the others those that nobody else took.
    pub(super) async fn store(
        &self,
        new: &[NewProduct],
        version: Version,
        conflict: Conflict,
    ) -> Result<Vec<i64>, Error> {
        if new.is_empty() {
            return Ok(Vec::new());
        }
        for _ in 0..TRIES {
            let error = match self.try_store(new, version, conflict, For::One).await {
                Ok(ids) => return ids.ok_or(Error::IdsExhausted),
                Err(error) => error,
            };
            if !is_unique_violation(&error) {
                return Err(error.into());
            }
            if conflict == Conflict::Fail {
                let taken = self.taken(new).await?;
                if !taken.is_empty() {
                    return Err(Error::Duplicate(taken));
                }
            }
            // None of the ids sent is taken any more, or a generated one was, by somebody who stored it past the server.
            self.catch_up().await?;
        }
        tracing::warn!("ids were taken {TRIES} times in a row");
        Err(Error::Unavailable)
    }

    /// Runs the statement; `None` where no more ids can be generated.
    async fn try_store(
        &self,
        new: &[NewProduct],
        version: Version,
        conflict: Conflict,
        who: For,
    ) -> Result<Option<Vec<i64>>, DbErr> {
        match self.0.database.kind() {
            Kind::PostgreSql => self.try_store_postgresql(new, version, conflict, who).await,
            Kind::Sqlite => self.try_store_sqlite(new, version, conflict).await,
        }
    }

    async fn try_store_postgresql(
        &self,
        new: &[NewProduct],
        version: Version,
        conflict: Conflict,
        who: For,
    ) -> Result<Option<Vec<i64>>, DbErr> {
        let sent: Vec<i64> = new.iter().map(|product| product.id.map_or(0, ProductId::get)).collect();
        let missing = count(sent.iter().filter(|id| **id == 0));
        let mut values: Vec<SqlValue> = vec![
            sent.into(),
            new.iter().map(|product| product.name.as_str().to_owned()).collect::<Vec<String>>().into(),
            new.iter().map(|product| product.price.ten_thousandths()).collect::<Vec<i64>>().into(),
            new.iter().map(|product| product.amount.get()).collect::<Vec<i32>>().into(),
            version.into(),
        ];
        let sql = if missing > 0 {
            values.push(missing.into());
            INSERT_POSTGRESQL
        } else {
            INSERT_CHOSEN_POSTGRESQL
        };
        let sql = sql.replace("{conflict}", conflict.clause());
        let sql = sql.replace("{patience}", who.patience()).replace("{chosen}", conflict.chosen());
        match self.returned_ids(sql, values).await {
            Err(error) if is_sequence_end(&error) => Ok(None),
            ids => ids.map(Some),
        }
    }

    async fn try_store_sqlite(
        &self,
        new: &[NewProduct],
        version: Version,
        conflict: Conflict,
    ) -> Result<Option<Vec<i64>>, DbErr> {
        let mut chosen: Vec<_> =
            new.iter().filter_map(|product| Some((product.id?.get(), product))).collect();
        chosen.sort_unstable_by_key(|(id, _)| *id);
        // Those without an id come last: so the last row is one of them.
        let generated = (1..).zip(new.iter().filter(|product| product.id.is_none()));
        let generated = generated.map(|(place, product): (i64, _)| (-place, product));
        let missing = count(generated.clone());
        let rows: Vec<(i64, &NewProduct)> = chosen.iter().copied().chain(generated).collect();
        let highest = chosen.iter().rev().map(|(id, _)| *id).find(|id| *id < GENERATED_BELOW).unwrap_or(0);
        let (rows, mut values) = rows_sqlite(&rows)?;
        let mut sql = INSERT_SQLITE.replace("{rows}", &rows).replace("{conflict}", conflict.clause());
        for (name, value) in
            [("{version}", version.into()), ("{highest}", highest.into()), ("{missing}", missing.into())]
        {
            values.push(value);
            sql = sql.replace(name, &format!("?{}", values.len()));
        }
        let ids = if conflict == Conflict::Fail {
            // All of them or none: no need to hand each row over.
            let database = self.0.database.writes();
            let statement = Statement::from_sql_and_values(database.get_database_backend(), sql, values);
            let done = database.execute_raw(statement).await?;
            if done.rows_affected() == 0 {
                return Ok(None);
            }
            let last = if missing > 0 { i64::try_from(done.last_insert_id()).unwrap_or(i64::MAX) } else { 0 };
            (last - missing + 1..=last).collect()
        } else {
            self.returned_ids(sql + " RETURNING id", values).await?
        };
        Ok(if ids.is_empty() && missing > 0 { None } else { Some(ids) })
    }

    /// The ids that a statement returns. All rows are read to the end, since SQLite commits with the last step.
    async fn returned_ids(
        &self,
        sql: String,
        values: impl IntoIterator<Item = SqlValue>,
    ) -> Result<Vec<i64>, DbErr> {
        let database = self.0.database.writes();
        let statement = Statement::from_sql_and_values(database.get_database_backend(), sql, values);
        let rows = database.query_all_raw(statement).await?;
        rows.iter().filter_map(|row| row.try_get_by_index::<Option<i64>>(0).transpose()).collect()
    }

    /// The products whose id is in the database, as faults.
    async fn taken(&self, new: &[NewProduct]) -> Result<Vec<Fault>, DbErr> {
        let there = self.ids_there(new.iter().filter_map(|product| product.id)).await?;
        let sent = new.iter().filter_map(|product| Some((product.at, product.id?)));
        let taken = sent.filter(|(_, id)| there.contains(&id.get()));
        Ok(taken.take(MOST_FAULTS).map(|(at, id)| id_fault(at, id)).collect())
    }

    /// Those of the ids that products have.
    pub(super) async fn ids_there(
        &self,
        ids: impl Iterator<Item = ProductId>,
    ) -> Result<HashSet<i64>, DbErr> {
        let ids: Vec<ProductId> = ids.collect();
        let mut there = HashSet::new();
        for part in ids.chunks(IDS_PER_QUERY) {
            let query = product::Entity::find().select_only().column(product::Column::Id);
            let query = query.filter(product::COLUMN.id.is_in(part.iter().copied()));
            there.extend(query.into_tuple::<i64>().all(self.0.database.writes()).await?);
        }
        Ok(there)
    }

    pub(super) async fn catch_up(&self) -> Result<(), DbErr> {
        match self.0.database.kind() {
            Kind::PostgreSql => {
                self.0.database.writes().execute_unprepared(CATCH_UP_POSTGRESQL).await.map(drop)
            }
            // Generated ids follow those that are there.
            Kind::Sqlite => Ok(()),
        }
    }
}

/// What became of a question; or the question itself, which its request has to serve alone: to do that for it here would
/// keep the others waiting.
pub(super) type OrAlone<Q, A> = Result<Result<A, Error>, Q>;

/// Creates for all that wait at the same time, each as if it were alone.
#[derive(Clone)]
struct Creator(Catalog);

impl Serve<Vec<NewProduct>, OrAlone<Vec<NewProduct>, Vec<Product>>> for Creator {
    async fn serve(&self, arrays: Vec<Vec<NewProduct>>) -> Vec<OrAlone<Vec<NewProduct>, Vec<Product>>> {
        self.0.create_together(arrays).await
    }
}

impl Serve<NewProduct, OrAlone<NewProduct, Product>> for Creator {
    async fn serve(&self, new: Vec<NewProduct>) -> Vec<OrAlone<NewProduct, Product>> {
        let Self(catalog) = self;
        // Of several with the same id, the first gets it, unless each goes on alone.
        let mut ids = HashSet::new();
        let (first, again): (Vec<_>, Vec<_>) =
            new.into_iter().enumerate().partition(|(_, new)| new.id.is_none_or(|id| ids.insert(id)));
        let (places, first): (Vec<usize>, Vec<NewProduct>) = first.into_iter().unzip();
        let chosen: Vec<_> = first.iter().map(|new| new.id).collect();
        let mut answers: Vec<_> = places.into_iter().zip(catalog.create_each(first).await).collect();
        for (place, new) in again {
            let first = chosen.iter().position(|id| *id == new.id).map(|first| &answers[first].1);
            let answer = match (new.id, first) {
                (Some(id), Some(Ok(Ok(_) | Err(Error::Duplicate(_))))) => {
                    Ok(Err(Error::Duplicate(vec![id_fault(new.at, id)])))
                }
                (_, Some(Ok(Err(error)))) => Ok(Err(error.clone())),
                _ => Err(new),
            };
            answers.push((place, answer));
        }
        answers.sort_unstable_by_key(|(place, _)| *place);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }
}

/// Rows of products, and the parameters in them.
fn rows_sqlite(rows: &[(i64, &NewProduct)]) -> Result<(String, Vec<SqlValue>), DbErr> {
    if rows.len() > MOST_TOGETHER {
        let rows: Vec<_> = rows
            .iter()
            .map(|(id, new)| (id, new.name.as_str(), new.price.ten_thousandths(), new.amount.get()))
            .collect();
        let rows = serde_json::to_string(&rows).map_err(|error| DbErr::Json(error.to_string()))?;
        let sql = "SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)";
        return Ok((sql.to_owned(), vec![rows.into()]));
    }
    // Few different statements, that they stay prepared: filled up with rows of nothing.
    let count = rows.len().next_power_of_two();
    let mut values = Vec::with_capacity(4 * count + 3);
    for (id, new) in rows {
        let NewProduct { name, price, amount, .. } = new;
        let (name, price, amount) = (name.as_str().to_owned(), price.ten_thousandths(), amount.get());
        values.extend([SqlValue::from(*id), name.into(), price.into(), amount.into()]);
    }
    values.resize(4 * count, SqlValue::BigInt(None));
    Ok((format!("VALUES (?,?,?,?){}", ",(?,?,?,?)".repeat(count - 1)), values))
}

/// Parts of these lengths, one after the other.
fn split<T>(items: Vec<T>, lengths: &[usize]) -> impl Iterator<Item = Vec<T>> {
    let mut items = items.into_iter();
    lengths.iter().map(move |length| items.by_ref().take(*length).collect())
}

fn count(items: impl Iterator) -> i64 {
    i64::try_from(items.count()).unwrap_or(i64::MAX)
}

/// An id that is taken.
pub(super) fn id_fault(at: At, id: ProductId) -> Fault {
    Fault { at, field: "id", detail: format!("{id} is taken").into() }
}

/// Two products of one array with the same id.
pub(super) fn refuse_repeated_ids(new: &[NewProduct]) -> Result<(), Error> {
    let mut ids: Vec<ProductId> = new.iter().filter_map(|product| product.id).collect();
    ids.sort_unstable();
    if ids.is_sorted_by(|one, next| one < next) {
        return Ok(());
    }
    let mut places = HashMap::new();
    let mut faults = Vec::new();
    for (at, id) in new.iter().filter_map(|product| Some((product.at, product.id?))) {
        if let Some(first) = places.insert(id, at) {
            let detail = format!("{id} is the id of {first} too").into();
            faults.push(Fault { at, field: "id", detail });
        }
    }
    faults.truncate(MOST_FAULTS);
    Err(Error::Duplicate(faults))
}

/// The products as stored. Generated ids rise in the order of the products without one.
fn put_together(new: Vec<NewProduct>, mut stored: Vec<i64>, version: Version) -> Result<Vec<Product>, Error> {
    let mut chosen: Vec<i64> = new.iter().filter_map(|product| product.id).map(ProductId::get).collect();
    chosen.sort_unstable();
    stored.retain(|id| chosen.binary_search(id).is_err());
    stored.sort_unstable();
    let mut generated = stored.into_iter();
    let products = new.into_iter().map(|new| {
        let NewProduct { at: _, id, name, price, amount } = new;
        // The table's check keeps ids in range.
        let generate = || generated.next().and_then(|id| ProductId::try_from(id).ok());
        let id = id.or_else(generate).ok_or(Error::Internal)?;
        Ok(Product { id, name, price, amount, version })
    });
    products.collect()
}

fn is_unique_violation(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

/// PostgreSQL's sequence has no further value (SQLSTATE 2200H).
fn is_sequence_end(error: &DbErr) -> bool {
    refusal(error).is_some_and(|refusal| refusal.code().is_some_and(|code| code == "2200H"))
}

/// The database answered, and did not like the statement.
fn is_refusal(error: &DbErr) -> bool {
    refusal(error).is_some()
}

fn refusal(error: &DbErr) -> Option<&dyn DatabaseError> {
    let (DbErr::Query(RuntimeErr::SqlxError(error)) | DbErr::Exec(RuntimeErr::SqlxError(error))) = error
    else {
        return None;
    };
    error.as_database_error()
}
