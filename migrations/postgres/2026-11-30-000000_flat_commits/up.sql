-- One row a committed batch, so that an unknown outcome can be resolved: the batch's id is noted in its transaction together with its
-- answer. Ids begin with their time: old rows are found by the primary key.
--
-- versions has an element for each session of the batch in the order of their keys, null where it was refused; ids has one for each
-- message of the others, in the order of their sessions and of arrival; times has the same, or a single one that is the time of all. The
-- row is whole or the batch is not committed: a trigger that swallows messages fails it.
--
-- Rows matter to turns under way alone, for seconds: those of before are dropped. They are written as they are, without being compressed.
DROP TABLE IF EXISTS chatbot_commits;
CREATE TABLE chatbot_commits (
    batch_id     uuid CONSTRAINT chatbot_commits_once PRIMARY KEY,
    committed_at timestamptz NOT NULL DEFAULT now(),
    messages     bigint NOT NULL,
    versions     bigint[] NOT NULL,
    ids          bigint[] NOT NULL,
    times        timestamptz[] NOT NULL,
    CONSTRAINT chatbot_commits_whole CHECK (cardinality(ids) = messages)
) WITH (toast_tuple_target = 8160);
