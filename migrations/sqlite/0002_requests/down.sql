drop table chatbot_requests;
