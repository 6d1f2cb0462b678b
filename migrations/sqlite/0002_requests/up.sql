-- One row a request that came with an Idempotency-Key. Ids grow with time: the oldest rows are those with the lowest ids.
create table chatbot_requests (
    id integer primary key,
    department text not null,
    user_id text not null,
    endpoint text not null,
    key text not null,
    body_hash blob not null,
    session_id text not null,
    state text not null check (state in ('claimed', 'answered', 'erased')),
    -- Who works on it: none once the claim was given back.
    owner blob,
    lease_until_us integer not null,
    -- What was answered, and what the commit brought: the version, then id and time of each message.
    answer text check (json_valid(answer)),
    committed text check (json_valid(committed)),
    created_at_us integer not null,
    unique (department, user_id, endpoint, key)
) strict;
