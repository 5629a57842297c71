//! Lowers the gap above which PostgreSQL's id sequence jumps to the highest client id, from 1000 to 900 ids. The
//! sequence then also jumps after an insert of 1000 consecutive client ids. Advancing it with `nextval` for each
//! id would take a tenth of the insert's time. A much lower threshold is unsafe: concurrent transactions could
//! advance the sequence past the target of the jump, and `setval` would then move it back.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        leap_from(manager, 900).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        leap_from(manager, 1000).await
    }
}

/// Replaces the function `product_id_used`. The new one jumps only over more than `shortest` ids.
async fn leap_from(manager: &SchemaManager<'_>, shortest: u32) -> Result<(), DbErr> {
    if manager.get_database_backend() == DbBackend::Postgres {
        let sql = MOVE.replace("{shortest}", &shortest.to_string());
        manager.get_connection().execute_unprepared(&sql).await?;
    }
    Ok(())
}

const MOVE: &str = "
CREATE OR REPLACE FUNCTION product_id_used(highest bigint, wanted bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    last bigint := coalesce(pg_sequence_last_value('product_id'), 0);
BEGIN
    IF greatest(last, highest) + wanted > 4503599627370495 THEN
        RAISE SQLSTATE '2200H' USING MESSAGE = 'no product ids are left';
    END IF;
    IF highest - last > {shortest} THEN
        PERFORM pg_advisory_lock(7264819302);
        BEGIN
            last := coalesce(pg_sequence_last_value('product_id'), 0);
            IF highest - last > {shortest} THEN
                last := setval('product_id', highest);
            END IF;
        EXCEPTION WHEN query_canceled OR OTHERS THEN
            PERFORM pg_advisory_unlock(7264819302);
            RAISE;
        END;
        PERFORM pg_advisory_unlock(7264819302);
    END IF;
    WHILE last < highest LOOP
        last := nextval('product_id');
    END LOOP;
    RETURN last;
END
$$";
