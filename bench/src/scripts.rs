//! What wrk asks for: scripts in Lua. Requests are made before the load begins, so that wrk takes as little of the machine as it can, but for
//! those of very many sessions.

use anyhow::Result;
use serde_json::{Value, json};

use crate::dataset::{Dataset, FIRST, Users};

/// Reads the messages of sessions at random; each request is made when it is sent, so that there may be very many sessions.
pub(crate) fn random_reads(dataset: &Dataset) -> String {
    format!(
        r#"
function init(arguments)
  math.randomseed(os.time())
end
function request()
  return read(math.random(0, {last}))
end
{read}"#,
        last = dataset.sessions - 1,
        read = read(dataset),
    )
}

/// Reads the messages of sessions at random, and names this API key where there is one.
pub(crate) fn prepared_reads(dataset: &Dataset, key: Option<&str>) -> String {
    prepared(dataset, "read(n)", &(authorization(key) + &read(dataset)))
}

/// Reads the messages of every session once, in an order that is not theirs, and ends there. The time that counts ends with the last request.
pub(crate) fn each_read_once(dataset: &Dataset) -> String {
    format!(
        r#"
local ffi = require("ffi")
ffi.cdef [[
  typedef struct {{ long seconds; long nanoseconds; }} moment;
  int clock_gettime(int clock, moment *now);
]]
local now = ffi.new("moment")
local function microseconds()
  ffi.C.clock_gettime(1, now)
  return tonumber(now.seconds) * 1e6 + tonumber(now.nanoseconds) / 1e3
end
{read}
local requests = {{}}
function init(arguments)
  for place = 0, {sessions} - 1 do
    requests[place] = read(place * {step} % {sessions})
  end
end
local began = nil
local asked = -1 -- wrk looks at one request that it does not send
function request()
  if asked == 0 then
    began = microseconds()
  end
  -- wrk sends a few more: of sessions that are not there
  local wanted = requests[asked] or read({sessions} + asked)
  asked = asked + 1
  if asked == {sessions} then
    elapsed = microseconds() - began
    wrk.thread:stop()
  end
  return wanted
end
"#,
        step = step(dataset.sessions),
        sessions = dataset.sessions,
        read = read(dataset),
    )
}

/// Appends an exchange to sessions at random.
///
/// # Errors
///
/// Where the dataset says nothing.
pub(crate) fn appends(dataset: &Dataset) -> Result<String> {
    let [query, response] = dataset.exchange()?;
    let body = json!({ "messages": [
        { "role": "user", "content": query },
        { "role": "assistant", "content": response },
    ]});
    let post = format!(
        r#"wrk.format("POST", path(n), json, {})"#,
        lua_text(&body.to_string())
    );
    Ok(prepared(dataset, &post, &(JSON.to_owned() + &path(dataset))))
}

/// Chats in sessions at random, with history or without.
///
/// # Errors
///
/// Where the dataset says nothing.
pub(crate) fn chats(dataset: &Dataset, with_history: bool) -> Result<String> {
    let [query, _] = dataset.exchange()?;
    let body = format!(
        r#"string.format({}, user(n), session(n))"#,
        lua_text(&format!(
            r#"{{"department":"{}","user":"%s","chatsession_id":"%s","historyenabled":{with_history},"chatquery":{}}}"#,
            dataset.department,
            Value::from(query).to_string().replace('%', "%%"),
        ))
    );
    let post = format!(r#"wrk.format("POST", "/chatbot/v1/chat", json, {body})"#);
    Ok(prepared(dataset, &post, &(JSON.to_owned() + &ids(dataset))))
}

/// The same request again and again.
pub(crate) fn posts(path: &str, body: &Value) -> String {
    format!(
        "{JSON}local post = nil\nfunction init(arguments)\n  post = wrk.format(\"POST\", \"{path}\", json, {})\nend\n\
         function request()\n  return post\nend\n",
        lua_text(&body.to_string())
    )
}

const JSON: &str = "local json = { [\"Content-Type\"] = \"application/json\" }\n";

/// Makes the request of each session `n`, by an expression, then sends them at random. The definitions are what the expression uses.
fn prepared(dataset: &Dataset, request: &str, definitions: &str) -> String {
    format!(
        r#"
{definitions}
local requests = {{}}
function init(arguments)
  math.randomseed(os.time())
  for n = 0, {last} do
    requests[n] = {request}
  end
end
function request()
  return requests[math.random(0, {last})]
end
"#,
        last = dataset.sessions - 1,
    )
}

fn authorization(key: Option<&str>) -> String {
    key.map_or_else(String::new, |key| {
        format!("wrk.headers[\"Authorization\"] = \"Bearer {key}\"\n")
    })
}

fn read(dataset: &Dataset) -> String {
    path(dataset) + "function read(n)\n  return wrk.format(\"GET\", path(n))\nend\n"
}

fn path(dataset: &Dataset) -> String {
    format!(
        "{}function path(n)\n  return \"/chatbot/v1/sessions/\" .. session(n) .. \"/messages?department={}&user=\" .. user(n)\nend\n",
        ids(dataset),
        dataset.department,
    )
}

fn ids(dataset: &Dataset) -> String {
    let user = match dataset.users {
        Users::OneASession => format!(r#"string.format("user-%.0f", {FIRST} + n)"#),
        Users::Workers => r#"string.format("worker-%d", 100 + n % 900)"#.to_owned(),
    };
    format!(
        "function user(n)\n  return {user}\nend\nfunction session(n)\n  return string.format(\"{}%.0f\", {FIRST} + n)\nend\n",
        dataset.session_prefix.replace('%', "%%"),
    )
}

/// A number without a divisor in common with so many sessions, so that its multiples reach each of them once.
fn step(sessions: u64) -> u64 {
    const PRIMES: [u64; 2] = [7_919, 104_729];
    let [one, other] = PRIMES;
    if sessions.is_multiple_of(one) { other } else { one }
}

/// A text in Lua that needs no escapes.
fn lua_text(text: &str) -> String {
    format!("[==[{text}]==]")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn scripts_name_the_sessions_of_the_dataset() {
        let dataset = Dataset::synthetic(1_000);
        let appends = appends(&dataset).unwrap();
        let chats = chats(&dataset, false).unwrap();
        for script in [random_reads(&dataset), prepared_reads(&dataset, None), appends] {
            for part in [
                "999",
                "01996b3e-0000-7000-8000-%.0f",
                "user-%.0f",
                "/messages?department=bench",
            ] {
                assert!(script.contains(part), "{part} is not in {script}");
            }
            assert!(!script.contains("Authorization"), "{script}");
        }
        assert!(chats.contains(r#""historyenabled":false"#), "{chats}");
        let keyed = prepared_reads(&dataset, Some("hearth_x"));
        assert!(keyed.contains("Bearer hearth_x"), "{keyed}");
    }

    #[test]
    fn each_session_is_read_once() {
        for sessions in [1, 500, 7_919, 50_000] {
            let step = step(sessions);
            let read: HashSet<u64> = (0..sessions).map(|asked| asked * step % sessions).collect();
            assert_eq!(u64::try_from(read.len()).unwrap(), sessions);
        }
    }
}
