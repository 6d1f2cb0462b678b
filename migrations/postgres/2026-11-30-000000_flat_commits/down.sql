DROP TABLE IF EXISTS chatbot_commits;
CREATE TABLE chatbot_commits (
    batch_id     uuid CONSTRAINT chatbot_commits_once PRIMARY KEY,
    committed_at timestamptz NOT NULL DEFAULT now(),
    turns        bigint[] NOT NULL,
    versions     bigint[] NOT NULL,
    ids          bigint[] NOT NULL,
    times        timestamptz[] NOT NULL
);
