-- The statement that removes the function, where no trigger calls it any more. The table's owner may be somebody else than the function's:
-- what is left then does nothing.
SELECT format('DROP FUNCTION %s', p.oid::regprocedure) AS statement
FROM pg_proc p
WHERE p.oid = to_regprocedure('hearth_foreign_write()') AND pg_has_role(p.proowner, 'USAGE')
  AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgfoid = p.oid)
