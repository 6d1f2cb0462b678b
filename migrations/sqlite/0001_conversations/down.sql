drop table chatbot_commits;
drop table chatbot_sessions;
drop table chatbot_messages;
