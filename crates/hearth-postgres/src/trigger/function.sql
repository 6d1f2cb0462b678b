-- Tells every replica which sessions a statement of another program wrote to. It refers to nothing but that statement's rows: it works
-- wherever it is left behind. It must never fail the program: whatever goes wrong in here is told as the shortest notice there is,
-- and where the queue of notices is half full (a listener has hung for long) nothing is added: replicas trust nothing well before.
--
-- Without arguments the columns are those of chatbot_messages; the trigger of a table of another shape names its own three.
CREATE OR REPLACE FUNCTION hearth_foreign_write() RETURNS trigger LANGUAGE plpgsql AS $function$
DECLARE
    keys    text[];
    columns text;
BEGIN
    IF current_setting('hearth.quiet', true) = 'on' OR pg_notification_queue_usage() > 0.5 THEN
        RETURN NULL;
    END IF;
    -- The distinct keys as JSON, one more than are told. A row without a whole key is in no session.
    IF TG_OP <> 'TRUNCATE' AND TG_NARGS = 3 THEN
        columns := format('SELECT %I::text AS d, %I::text AS u, %I::text AS s FROM ', TG_ARGV[0], TG_ARGV[1], TG_ARGV[2]);
        EXECUTE 'SELECT array_agg(json_build_array(d, u, s, NULL)::text) FROM (SELECT DISTINCT d, u, s FROM ('
            || CASE TG_OP
                   WHEN 'INSERT' THEN columns || 'new_rows'
                   WHEN 'DELETE' THEN columns || 'old_rows'
                   ELSE columns || 'old_rows UNION ALL ' || columns || 'new_rows'
               END
            || ') w WHERE ROW(d, u, s) IS NOT NULL LIMIT 101) k'
        INTO keys;
    ELSIF TG_OP = 'INSERT' THEN
        SELECT array_agg(json_build_array(k.department, k.user_id, k.session_id, NULL)::text) INTO keys
        FROM (SELECT DISTINCT w.department, w.user_id, w.session_id FROM new_rows w
              WHERE ROW(w.department, w.user_id, w.session_id) IS NOT NULL LIMIT 101) k;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(json_build_array(k.department, k.user_id, k.session_id, NULL)::text) INTO keys
        FROM (SELECT DISTINCT w.department, w.user_id, w.session_id FROM old_rows w
              WHERE ROW(w.department, w.user_id, w.session_id) IS NOT NULL LIMIT 101) k;
    ELSIF TG_OP = 'UPDATE' THEN
        SELECT array_agg(json_build_array(k.department, k.user_id, k.session_id, NULL)::text) INTO keys
        FROM (SELECT DISTINCT w.department, w.user_id, w.session_id
              FROM (SELECT department, user_id, session_id FROM old_rows
                    UNION ALL SELECT department, user_id, session_id FROM new_rows) w
              WHERE ROW(w.department, w.user_id, w.session_id) IS NOT NULL LIMIT 101) k;
    END IF;
    -- A notice has less than 8,000 bytes: the keys go out in as many as they need.
    IF TG_OP = 'TRUNCATE' OR cardinality(keys) > 100 OR (SELECT max(octet_length(key)) FROM unnest(keys) key) > 3900 THEN
        PERFORM pg_notify('hearth_changes', '["*","everything"]');
    ELSIF octet_length(array_to_string(keys, ',')) < 7900 THEN
        PERFORM pg_notify('hearth_changes', '["*",[' || array_to_string(keys, ',') || ']]');
    ELSE
        PERFORM pg_notify('hearth_changes', '["*",[' || string_agg(k.key, ',') || ']]')
        FROM (SELECT key, sum(octet_length(key) + 1) OVER (ROWS UNBOUNDED PRECEDING) / 3900 AS part
              FROM unnest(keys) key) k
        GROUP BY k.part;
    END IF;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    PERFORM pg_notify('hearth_changes', '["*","everything"]');
    RETURN NULL;
END
$function$;
