//! Inspects the database without changing it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sea_orm::sqlx::{self, AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row};

use super::{Servers, pooler};
use crate::store::{
    StoreError,
    inspect::{InspectError, Inspection, ReadOnly, SELECT_MIGRATIONS, SchemaState},
};

const SELECT: &str = "
SELECT current_setting('server_version'),
    CASE
        WHEN current_setting('default_transaction_read_only')::boolean THEN 'default_transaction_read_only is on'
        WHEN NOT coalesce(
            has_table_privilege(to_regclass('product')::oid, 'INSERT'),
            has_schema_privilege(current_schema(), 'CREATE'), false
        ) THEN 'the role ' || current_user || ' lacks the right'
    END,
    extract(epoch FROM clock_timestamp())::double precision,
    current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer,
    to_regclass('seaql_migrations') IS NOT NULL,
    pg_is_in_recovery()";

pub(in crate::store) async fn inspect(servers: &Servers) -> Result<Inspection, InspectError> {
    if pooler::shares_connections(servers).await.map_err(StoreError::from)? {
        return Err(InspectError::Pooler);
    }
    let connection = servers.connect().await.map_err(StoreError::from)?;
    Ok(read(connection).await.map_err(StoreError::from)?)
}

async fn read(mut connection: PgConnection) -> Result<Inspection, sqlx::Error> {
    let row = connection.fetch_one(AssertSqlSafe(SELECT.to_owned())).await?;
    let (read_at, seconds): (_, f64) = (SystemTime::now(), row.try_get(2)?);
    let mut applied = Vec::new();
    if row.try_get(4)? {
        let rows = connection.fetch_all(AssertSqlSafe(SELECT_MIGRATIONS.to_owned())).await?;
        applied = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    }
    let is_standby: bool = row.try_get(5)?;
    let other = row.try_get::<Option<_>, _>(1)?.map(ReadOnly::Other);
    let read_only = if is_standby { Some(ReadOnly::Standby) } else { other };
    // The connection was only for these reads, so an error on close does not matter.
    drop(connection.close().await);
    Ok(Inspection {
        version: format!("PostgreSQL {}", row.try_get::<String, _>(0)?),
        schema: SchemaState::of(&applied),
        read_only,
        damage: None,
        clock: Some((UNIX_EPOCH + Duration::from_secs_f64(seconds.max(0.0)), read_at)),
        max_connections: u32::try_from(row.try_get::<i32, _>(3)?).ok(),
    })
}
