-- What was said. Ids are never used again, so that a conversation's ids grow in the order of its commits, whatever was erased before.
create table chatbot_messages (
    id integer primary key autoincrement,
    department text not null,
    user_id text not null,
    session_id text not null,
    role text not null check (role in ('user', 'assistant', 'system', 'tool')),
    content text not null,
    created_at_us integer not null default (cast(unixepoch('subsec') * 1000000 as integer)),
    metadata text check (json_valid(metadata))
) strict;

-- Walked backwards by loads; its keys alone answer which sessions there are.
create index chatbot_messages_by_session on chatbot_messages (department, user_id, session_id, id);

-- One row a conversation that Hearth wrote to, ended or erased.
create table chatbot_sessions (
    department text not null,
    user_id text not null,
    session_id text not null,
    version integer not null,
    erased_version integer,
    started_at_us integer not null,
    last_active_at_us integer not null,
    ended_at_us integer,
    primary key (department, user_id, session_id)
) strict, without rowid;

-- One row a committed batch, so that an unknown outcome can be resolved by running the batch again.
create table chatbot_commits (
    batch_id blob not null primary key,
    committed_at_us integer not null
) strict, without rowid;
