-- API keys, hashed: the key itself is shown once, when it is made.
create table hearth_keys (
    id text not null primary key,
    hash blob not null,
    name text not null,
    departments text check (json_valid(departments)),
    scopes text not null check (json_valid(scopes)),
    created_at_us integer not null,
    expires_at_us integer,
    revoked_at_us integer
) strict, without rowid;
