-- API keys: of a secret only its hash is kept.
create table hearth_keys (
    id text not null primary key,
    secret_hash blob not null,
    label text not null,
    -- A list of names; none stands for all departments.
    departments text check (json_valid(departments)),
    scopes text not null check (json_valid(scopes)),
    created_at_us integer not null,
    revoked_at_us integer
) strict, without rowid;
