//! Prompts over long sessions: what they hold, where they begin, how often that changes.

use std::borrow::Cow;

use chrono::DateTime;
use hearth_domain::{MessageId, MessageView, Status, WindowLimits};

use super::*;

/// A session as a test grows it.
struct Session {
    history: History,
    next_id: i64,
}

impl Session {
    fn new() -> Self {
        Self {
            history: History::empty(Version::ZERO),
            next_id: 1,
        }
    }

    /// A turn of these messages, committed by Hearth.
    fn add(&mut self, turn: &[(Role, &str)]) {
        let version = Version::new(self.history.version().get() + 1).unwrap();
        let id = self.next_id;
        let views = turn.iter().zip(id..).map(|((role, content), id)| MessageView {
            id: MessageId(id),
            role: *role,
            content: Cow::Borrowed(*content),
            created_at: DateTime::UNIX_EPOCH,
            status: Status::Complete,
        });
        self.history = self
            .history
            .extended(views, version, WindowLimits::default())
            .unwrap();
        self.next_id += i64::try_from(turn.len()).unwrap();
    }

    fn exchange(&mut self, number: usize) {
        let (query, response) = (
            format!("question {number} of the session"),
            format!("response {number} \"quoted\", at some length"),
        );
        self.add(&[(Role::User, &query), (Role::Assistant, &response)]);
    }
}

fn config(max_tokens: u32) -> PromptConfig {
    PromptConfig {
        system: Some("Be brief.".into()),
        max_tokens,
        ..PromptConfig::default()
    }
}

fn of(session: &Session, max_tokens: u32) -> Prompt {
    let department = Department::new("sales").unwrap();
    prompt(
        &config(max_tokens),
        &department,
        Some(&session.history),
        "And now?",
        true,
    )
}

/// The tokens of a prompt by the documented estimate of contents, which the offsets never fall short of.
fn tokens(prompt: &Prompt) -> usize {
    let contents: usize = prompt
        .messages()
        .map(|message| message.content.len().div_ceil(3) + 4)
        .sum();
    let system = prompt
        .system
        .as_ref()
        .map_or(0, |text| text.len().div_ceil(3) + 4);
    contents + system + prompt.query.len().div_ceil(3) + 4
}

/// What 500 turns see under one budget: how many exchanges a prompt held, and how often its beginning moved.
struct Seen {
    fewest: usize,
    most: usize,
    moves: usize,
    last_was_cut: bool,
}

fn five_hundred_turns(max_tokens: u32) -> Seen {
    let mut session = Session::new();
    let mut seen = Seen {
        fewest: usize::MAX,
        most: 0,
        moves: 0,
        last_was_cut: false,
    };
    let mut began = None;
    for number in 0..500 {
        let prompt = of(&session, max_tokens);
        assert_eq!(prompt.system.as_deref(), Some("Be brief."));
        let roles: Vec<Role> = prompt.messages().map(|message| message.role).collect();
        for pair in roles.chunks(2) {
            assert_eq!(
                pair,
                [Role::User, Role::Assistant],
                "a pair was split at turn {number}"
            );
        }
        assert_eq!(usize::from(responses(&prompt)), roles.len() / 2);
        if max_tokens > 0 {
            assert!(tokens(&prompt) <= usize::try_from(max_tokens).unwrap());
        }
        // The newest message is always there.
        let newest = prompt.messages().last().map(|message| message.id);
        assert_eq!(
            newest,
            session.history.messages().last().map(|message| message.id)
        );
        let first = prompt.messages().next().map(|message| message.id);
        seen.moves += usize::from(began.is_some() && began != first);
        began = first;
        if number >= 100 {
            seen.fewest = seen.fewest.min(roles.len() / 2);
            seen.most = seen.most.max(roles.len() / 2);
        }
        seen.last_was_cut = is_truncated(&prompt);
        session.exchange(number);
    }
    seen
}

#[test]
fn without_a_budget_a_prompt_holds_the_window_but_for_a_part_of_a_block() {
    let seen = five_hundred_turns(0);
    assert_eq!((seen.fewest, seen.most), (23, 30));
    // Once in eight turns after the window is full, which takes thirty.
    assert_eq!(seen.moves, (499 - 30usize).div_ceil(8));
    assert!(seen.last_was_cut);
}

#[test]
fn with_a_budget_it_holds_at_least_half_of_what_fits_and_moves_block_by_block() {
    let wide = five_hundred_turns(900);
    assert!(
        wide.most >= 14 && wide.fewest * 2 >= wide.most,
        "{} {}",
        wide.fewest,
        wide.most
    );
    assert!(wide.moves <= 500 / 7, "{} moves", wide.moves);
    let narrow = five_hundred_turns(300);
    assert!(narrow.fewest >= 1 && narrow.fewest * 2 >= narrow.most - 1);
    assert!(narrow.moves <= 500 / 2 + 1, "{} moves", narrow.moves);
}

#[test]
fn a_session_that_fits_is_left_whole() {
    let mut session = Session::new();
    for number in 0..30 {
        session.exchange(number);
        let prompt = of(&session, 0);
        assert_eq!((prompt.skipped, is_truncated(&prompt)), (0, false));
    }
}

#[test]
fn nothing_is_kept_where_nothing_fits() {
    let mut session = Session::new();
    session.exchange(1);
    let prompt = of(&session, 20);
    assert_eq!((prompt.messages().count(), responses(&prompt)), (0, 0));
    assert!(is_truncated(&prompt));
}

#[test]
fn the_length_of_a_usual_query_does_not_move_the_beginning() {
    let mut session = Session::new();
    (0..40).for_each(|number| session.exchange(number));
    let department = Department::new("sales").unwrap();
    let begin = |query: &str| prompt(&config(900), &department, Some(&session.history), query, false).skipped;
    assert_eq!(begin("And?"), begin(&"and ".repeat(80)));
    assert!(begin(&"and ".repeat(300)) > begin("And?"));
}

#[test]
fn a_greeting_stays_and_a_turn_of_several_messages_stays_together() {
    let mut session = Session::new();
    session.add(&[(Role::Assistant, "Welcome!")]);
    session.exchange(1);
    session.add(&[
        (Role::User, "weather?"),
        (Role::Tool, "12 degrees"),
        (Role::Assistant, "Cool."),
    ]);
    session.add(&[
        (Role::System, "Be kind."),
        (Role::User, "thanks"),
        (Role::Assistant, "Welcome."),
    ]);
    let first_role = |max_tokens| {
        of(&session, max_tokens)
            .messages()
            .next()
            .map(|message| message.role)
    };
    assert_eq!(first_role(0), Some(Role::Assistant));
    let begins: Vec<_> = (20..200).step_by(3).map(first_role).collect();
    assert!(begins.contains(&Some(Role::System)) && begins.contains(&Some(Role::User)));
    assert!(
        !begins.contains(&Some(Role::Tool)),
        "an answer without its question"
    );
}

#[test]
fn departments_may_have_a_prompt_of_their_own_or_none() {
    let mut config = config(0);
    let department = |name: &str| Department::new(name).unwrap();
    config.departments.insert(department("a"), "Be polite.".into());
    config.departments.insert(department("b"), "".into());
    let check = |name: &str, expected: Option<&str>| {
        assert_eq!(config.system(&department(name)).map(AsRef::as_ref), expected);
    };
    check("a", Some("Be polite."));
    check("b", None);
    check("c", Some("Be brief."));
}

#[test]
fn a_query_without_history_stands_alone() {
    let department = Department::new("sales").unwrap();
    let prompt = prompt(&config(0), &department, None, "Hello", true);
    assert_eq!(
        (prompt.messages().count(), &*prompt.query, prompt.stream),
        (0, "Hello", true)
    );
    assert!(!is_truncated(&prompt));
}
