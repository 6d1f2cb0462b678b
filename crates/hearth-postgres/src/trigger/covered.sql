-- Whether every table that chatbot_messages reads (itself, or those behind a view) tells of all four kinds of writes; null where none
-- can be seen. The bits of tgtype are those of PostgreSQL's pg_trigger.h: 4 insert, 8 delete, 16 update, 32 truncate.
WITH RECURSIVE relation (oid) AS (
    SELECT to_regclass('chatbot_messages')::oid
    UNION
    SELECT d.refobjid
    FROM relation
    JOIN pg_rewrite r ON r.ev_class = relation.oid
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
)
SELECT bool_and(coalesce((
    SELECT bit_or(t.tgtype::integer) & 60
    FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE t.tgrelid = c.oid AND t.tgenabled IN ('O', 'A') AND p.proname = 'hearth_foreign_write'
), 0) = 60)
FROM relation JOIN pg_class c ON c.oid = relation.oid
WHERE c.relkind IN ('r', 'p', 'f', 'm')
