-- The statements that take the trigger off: off chatbot_messages, and off every other table that calls the function which is found here.
SELECT format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass) AS statement
FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
WHERE p.proname = 'hearth_foreign_write'
  AND (t.tgrelid = to_regclass('chatbot_messages') OR t.tgfoid = to_regprocedure('hearth_foreign_write()'))
