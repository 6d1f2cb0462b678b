DROP TABLE IF EXISTS hearth_keys, chatbot_commits, chatbot_requests, chatbot_sessions;

-- An adopted chatbot_messages stays, whatever it is.
DO $$
BEGIN
    IF obj_description(to_regclass('chatbot_messages'), 'pg_class') = 'made by Hearth' THEN
        DROP TABLE chatbot_messages;
    END IF;
END
$$;
