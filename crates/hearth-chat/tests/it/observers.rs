//! What the observer of a turn is told.

use std::sync::{Arc, Mutex};

use hearth_chat::{ChatRequest, Step, StepUnderWay, TurnObserver};
use hearth_testkit::faulty_store::Call;

use crate::stage::{Act, Scene, keyed, request, scene};

/// Notes what it is told.
#[derive(Debug, Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, text: &str, step: Step) {
        self.0.lock().unwrap().push(format!("{text} {step:?}"));
    }
}

impl TurnObserver for Notes {
    fn begin(&self, step: Step) -> Box<dyn StepUnderWay> {
        self.note("begin", step);
        Box::new(Noted(self.clone(), step))
    }
}

struct Noted(Notes, Step);

impl StepUnderWay for Noted {
    fn traceparent(&self) -> Option<String> {
        None
    }

    fn failed(&mut self) {
        self.0.note("failed", self.1);
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.note("end", self.1);
    }
}

/// What is told of a request's turn.
async fn told(scene: &Scene, request: ChatRequest) -> Vec<String> {
    let notes = Notes::default();
    let observer: Arc<dyn TurnObserver> = Arc::new(notes.clone());
    let request = ChatRequest {
        observer: Some(observer),
        ..request
    };
    // What came of it is told, too.
    drop(scene.chat.answer(request).await);
    notes.0.lock().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_of_each_step_in_its_order() {
    let scene = scene(&[Act::Count]);
    let steps = [
        "begin History",
        "end History",
        "begin Model",
        "end Model",
        "begin Commit",
        "end Commit",
    ];
    assert_eq!(told(&scene, request(Some("1"))).await, steps);
    assert_eq!(told(&scene, keyed(Some("1"), "key")).await, steps);
    let repeated = told(&scene, keyed(Some("1"), "key")).await;
    assert!(repeated.is_empty(), "nothing is done for a repeat: {repeated:?}");
    let off = ChatRequest {
        history: false,
        ..request(None)
    };
    assert_eq!(told(&scene, off).await, ["begin Model", "end Model"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_which_step_failed() {
    let scene = scene(&[Act::Fail]);
    scene.store.fail(Call::Load, 1);
    let unread = told(&scene, request(Some("1"))).await;
    assert_eq!(unread, ["begin History", "failed History", "end History"]);
    let unanswered = told(&scene, request(Some("1"))).await;
    let model = ["begin Model", "failed Model", "end Model"];
    assert_eq!(unanswered[2..], model);
    scene.model.play(&[Act::Count]);
    scene.store.fail(Call::Append, 1);
    let unkept = told(&scene, request(Some("1"))).await;
    assert_eq!(unkept[4..], ["begin Commit", "failed Commit", "end Commit"]);
}
