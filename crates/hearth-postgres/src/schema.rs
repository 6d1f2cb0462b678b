//! The tables as Diesel sees them, generated from the migrated database.

diesel::table! {
    chatbot_messages (id) {
        id -> Int8,
        department -> Text,
        user_id -> Text,
        session_id -> Text,
        role -> Text,
        content -> Text,
        created_at -> Timestamptz,
        metadata -> Nullable<Jsonb>,
    }
}

diesel::table! {
    chatbot_sessions (department, user_id, session_id) {
        department -> Text,
        user_id -> Text,
        session_id -> Text,
        version -> Int8,
        erased_version -> Nullable<Int8>,
        started_at -> Timestamptz,
        last_active_at -> Timestamptz,
        ended_at -> Nullable<Timestamptz>,
    }
}
