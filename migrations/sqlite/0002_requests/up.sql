-- One row a request that came with an Idempotency-Key.
create table chatbot_requests (
    department text not null,
    user_id text not null,
    endpoint text not null,
    key text not null,
    body_hash blob not null,
    state text not null,
    lease_until_us integer,
    answer text check (json_valid(answer)),
    created_at_us integer not null,
    primary key (department, user_id, endpoint, key)
) strict, without rowid;

-- Rows expire oldest first.
create index chatbot_requests_by_age on chatbot_requests (created_at_us);
