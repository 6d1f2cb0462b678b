-- Puts on chatbot_messages whichever of the four triggers it lacks, and switches on those that were switched off. A trigger that sees
-- the rows of its statement has one event.
DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT w.*, t.oid IS NOT NULL AS is_there
        FROM (VALUES
            ('hearth_insert', 'INSERT', 'REFERENCING NEW TABLE AS new_rows'),
            ('hearth_update', 'UPDATE', 'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows'),
            ('hearth_delete', 'DELETE', 'REFERENCING OLD TABLE AS old_rows'),
            ('hearth_truncate', 'TRUNCATE', '')
        ) AS w (name, event, rows)
        LEFT JOIN pg_trigger t ON t.tgrelid = to_regclass('chatbot_messages') AND t.tgname = w.name
        WHERE t.oid IS NULL OR t.tgenabled NOT IN ('O', 'A')
    LOOP
        IF wanted.is_there THEN
            EXECUTE format('ALTER TABLE chatbot_messages ENABLE TRIGGER %I', wanted.name);
        ELSE
            EXECUTE format(
                'CREATE TRIGGER %I AFTER %s ON chatbot_messages %s FOR EACH STATEMENT EXECUTE FUNCTION hearth_foreign_write()',
                wanted.name, wanted.event, wanted.rows);
        END IF;
    END LOOP;
END
$$;
