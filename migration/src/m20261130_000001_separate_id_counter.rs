//! Separates the counter of generated ids from the ids that clients choose. The counter used to follow the
//! highest id below 2^52, so one product near this limit ended the generation of ids. Now it skips ids in use
//! only when it reaches them.
//!
//! A counter that a client has pushed beyond 2^40 goes back to the highest id in use below. The function
//! `product_id_used` stays, because instances of the previous version call it during an upgrade.

use sea_orm_migration::prelude::*;

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP_POSTGRESQL, UP_SQLITE).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN_POSTGRESQL, DOWN_SQLITE).await
    }
}

/// `product_id.last` becomes the last generated id, which the server updates.
const UP_SQLITE: &str = "
DROP TRIGGER product_id_gone;
DROP TRIGGER product_id_changed;
UPDATE product_id SET last = max(
    CASE WHEN last < 1099511627776 THEN last ELSE 0 END,
    coalesce((SELECT max(id) FROM product WHERE id < 1099511627776), 0)
)";

const DOWN_SQLITE: &str = "
CREATE TRIGGER product_id_gone AFTER DELETE ON product WHEN OLD.id < 4503599627370496 BEGIN
    UPDATE product_id SET last = OLD.id WHERE last < OLD.id;
END;
CREATE TRIGGER product_id_changed AFTER UPDATE OF id ON product WHEN OLD.id < 4503599627370496 BEGIN
    UPDATE product_id SET last = OLD.id WHERE last < OLD.id;
END";

/// Creates a function that advances the sequence past the ids in use that it would reach next, and past
/// `others`, which are about to be used, until `wanted` ids are free. It looks ahead in windows of 1024 to 65,536 ids and skips a whole
/// window up to its highest id in use, so that it passes a million of them quickly, but one id cannot push the
/// sequence far.
///
/// Sequences are not transactional. If the sequence were decreased, it would generate duplicate ids. `nextval`
/// never decreases it, but `setval` can. `setval` is therefore used only under a lock, and only for jumps that
/// are much longer than the number of ids that concurrent transactions generate. The lock is released before
/// the transaction ends, because it could otherwise deadlock with row locks.
const UP_POSTGRESQL: &str = "
DO $$
BEGIN
    IF coalesce(pg_sequence_last_value('product_id'), 0) >= 1099511627776 THEN
        PERFORM setval('product_id', coalesce((SELECT max(id) FROM product WHERE id < 1099511627776), 1));
    END IF;
END
$$;
CREATE FUNCTION product_id_skip_used(others bigint[], wanted bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    last bigint;
    target bigint;
    used bigint;
    size bigint := greatest(1024, wanted);
BEGIN
    PERFORM pg_advisory_lock(7264819302);
    BEGIN
        last := coalesce(pg_sequence_last_value('product_id'), 0);
        target := last;
        LOOP
            used := greatest(
                (SELECT id FROM product WHERE id > target AND id <= target + size ORDER BY id DESC LIMIT 1),
                (SELECT max(id) FROM unnest(others) AS id WHERE id > target AND id <= target + size)
            );
            EXIT WHEN used IS NULL;
            target := used;
            size := greatest(least(2 * size, 65536), wanted);
        END LOOP;
        -- Other transactions have generated ids since.
        last := coalesce(pg_sequence_last_value('product_id'), 0);
        target := least(greatest(target, last), 4503599627370495);
        IF target - last > 900 THEN
            PERFORM setval('product_id', target);
        ELSE
            WHILE last < target LOOP
                last := nextval('product_id');
            END LOOP;
        END IF;
    EXCEPTION WHEN query_canceled OR OTHERS THEN
        PERFORM pg_advisory_unlock(7264819302);
        RAISE;
    END;
    PERFORM pg_advisory_unlock(7264819302);
END
$$";

const DOWN_POSTGRESQL: &str = "
DROP FUNCTION product_id_skip_used;
CREATE OR REPLACE FUNCTION product_id_used(highest bigint, wanted bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    last bigint := coalesce(pg_sequence_last_value('product_id'), 0);
BEGIN
    IF greatest(last, highest) + wanted > 4503599627370495 THEN
        RAISE SQLSTATE '2200H' USING MESSAGE = 'no product ids are left';
    END IF;
    IF highest - last > 900 THEN
        PERFORM pg_advisory_lock(7264819302);
        BEGIN
            last := coalesce(pg_sequence_last_value('product_id'), 0);
            IF highest - last > 900 THEN
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
$$;
SELECT product_id_used((SELECT max(id) FROM product WHERE id < 4503599627370496), 0)";
