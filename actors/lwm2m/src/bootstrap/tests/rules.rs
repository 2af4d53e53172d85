//! One rule a test.

use super::*;
use crate::Reason;
use crate::request::MAX_ENDPOINT;
use proptest::prelude::*;

/// One attempt at a device's answer, with the words that must be in what the operator reads.
#[track_caller]
fn stops(session: Session, stage: &str, outcome: &str, words: &[&str]) {
    let session =
        session.wants(&[&format!("record {stage} {outcome}"), &format!("done {outcome}")]);
    for part in words {
        assert!(session.words().contains(part), "{part:?} is not in {:?}", session.words());
    }
    assert_eq!(session.machine.as_ref().and_then(Bootstrap::stage), None);
}

#[test]
fn takes_a_request_without_a_name_where_the_identity_is_the_name() {
    Session::of(true).request(1, &post_bs(&[])).wants(&["stage"]);
    Session::of(false).request(1, &post_bs(&["ep=urn:dev:a1"])).wants(&["stage"]);
}

#[test]
fn refuses_a_request_without_a_name_where_the_identity_is_another() {
    let session = Session::of(false).request(1, &post_bs(&["pct=112"])).wants(&[
        "respond 1 4.00 Bad Request",
        "record bs_request refused",
        "done refused",
    ]);

    assert!(session.words().contains("(ep)") && session.words().contains("urn:dev:a1"));
}

#[test]
fn writes_in_the_format_that_is_asked_for_else_in_tlv() {
    for (query, put) in [
        (&["pct=110"][..], "PUT /0/1 as 110"),
        (&["pct=112"], "PUT /0/1 as 112"),
        (&["pct=11542"], "PUT /0/1 as 11542"),
        (&[], "PUT /0/1 as 11542"),
    ] {
        let session = Session::new().request(1, &post_bs(query)).give(Input::Staged(grant()));
        session.answer(content(FRESH)).give(Input::ServerReady).wants(&[put]);
    }
}

#[test]
fn a_request_that_begins_anew_may_ask_for_another_format() {
    let session = discovering().request(2, &post_bs(&["pct=110"])).give(Input::Staged(grant()));

    session.answer(content(FRESH)).give(Input::ServerReady).wants(&["PUT /0/1 as 110"]);
}

#[test]
fn a_request_that_waited_for_the_delivery_keeps_its_format() {
    let session = delivering().request(2, &post_bs(&["pct=112"])).give(Input::Committed);
    let session = session.give(Input::Staged(grant())).answer(content(FRESH));

    session.give(Input::ServerReady).wants(&["PUT /0/1 as 112"]);
}

#[test]
fn a_device_that_waits_is_gone_on_with_after_its_machine_was_lost() {
    let session = revived().wants(&["GET / accept 40", "await server"]);

    let session = session.give(Input::ServerReady).answer(content(FRESH));

    session
        .wants(&["PUT /0/1 as 11542"])
        .answer(code(Code::NOT_ACCEPTABLE))
        .wants(&["record write_security refused", "done refused"]);
}

#[test]
fn of_a_device_that_does_not_wait_nothing_is_said() {
    let refused = code(Code::METHOD_NOT_ALLOWED);
    revived().answer(refused).wants(&["done refused"]);
    revived().answer(Err(Unanswered::TimedOut)).wants(&["done unanswered"]);
    revived().give(Input::Abandoned).wants(&["cancel", "done superseded"]);
    revived().request(2, &post_bs(&[])).wants(&["cancel", "stage"]);
}

#[test]
fn refuses_the_name_of_another_endpoint_and_names_both() {
    let session = Session::new().request(9, &post_bs(&["ep=urn:dev:b2"])).wants(&[
        "respond 9 4.00 Bad Request",
        "record bs_request refused",
        "done refused",
    ]);

    assert!(session.words().contains("urn:dev:b2") && session.words().contains("urn:dev:a1"));
    let Effect::Respond { response, .. } = &session.effects[0] else { panic!("a response") };
    let told = String::from_utf8(response.payload.clone()).expect("text");
    assert!(!told.contains("urn:dev:a1"), "the bound name is not for a stranger to it");
}

#[test]
fn refuses_a_malformed_request_and_takes_the_next_one() {
    let long = format!("ep={}", "x".repeat(MAX_ENDPOINT + 1));
    for (request, answer, words) in [
        (post_bs(&["pct=60"]), "respond 1 4.15 Unsupported Content-Format", "11542, 110 and 112"),
        (post_bs(&["pct=11544"]), "respond 1 4.15 Unsupported Content-Format", "pct"),
        (post_bs(&["pct=tlv"]), "respond 1 4.00 Bad Request", "not a number"),
        (post_bs(&[&long]), "respond 1 4.00 Bad Request", "too long"),
        (post_bs(&["ep=a", "ep=b"]), "respond 1 4.00 Bad Request", "repeated"),
        (non(post_bs(&[])), "respond 1 4.00 Bad Request", "confirmable"),
    ] {
        let session = Session::new().request(1, &request).wants(&[
            answer,
            "record bs_request refused",
            "done refused",
        ]);
        assert!(session.words().contains(words), "{}", session.words());
        assert!(session.words().contains("Correct it in the device"), "{}", session.words());
        session.request(2, &post_bs(&[])).wants(&["stage"]);
    }
}

#[test]
fn a_refused_request_leaves_the_running_session_alone() {
    let session = discovering().request(2, &post_bs(&["ep=urn:dev:b2"]));

    session
        .wants(&["respond 2 4.00 Bad Request", "record bs_request refused"])
        .answer(content(FRESH))
        .give(Input::ServerReady)
        .wants(&["PUT /0/1 as 11542"]);
}

#[test]
fn another_resource_is_answered_and_changes_nothing() {
    for state in [Session::new, discovering, finishing] {
        let session = state().request(4, &Request::new(Method::Get, &["bspack"]));
        let before = session.machine.as_ref().and_then(Bootstrap::stage);

        assert_eq!(before, state().machine.as_ref().and_then(Bootstrap::stage));
        session.wants(&["respond 4 5.01 Not Implemented"]);
    }
}

#[test]
fn a_refusal_of_the_ledger_is_told_without_its_reason() {
    let session = staging().give(Input::StageRefused("no LwM2M server is configured".into()));

    let session =
        session.wants(&["respond 1 4.00 Bad Request", "record bs_request refused", "done refused"]);
    assert!(session.words().contains("no LwM2M server is configured"));
    let Effect::Respond { response, .. } = &session.effects[0] else { panic!("a response") };
    assert!(!String::from_utf8_lossy(&response.payload).contains("LwM2M server"));
}

type Change = fn(&mut Grant);

#[test]
fn a_grant_that_cannot_be_written_is_not_begun() {
    let rows: [(&str, Change); 5] = [
        ("resource 5", |g| g.key.clear()),
        ("resource 3", |g| g.identity = vec![b'x'; 129]),
        ("resource 0", |g| g.server_uri = "x".repeat(256)),
        ("resource 10", |g| g.short_server_id = 0),
        ("resource 7", |g| g.binding.clear()),
    ];
    for (words, change) in rows {
        let mut grant = grant();
        change(&mut grant);

        let session = staging().give(Input::Staged(grant)).wants(&[
            "respond 1 5.00 Internal Server Error",
            "record bs_request failed",
            "done failed",
        ]);
        assert!(session.words().contains(words), "{}", session.words());
    }
}

#[test]
fn nothing_is_written_before_the_lwm2m_server_is_ready() {
    discovering()
        .answer(content(FRESH))
        .wants(&[])
        .give(Input::ServerReady)
        .wants(&["PUT /0/1 as 11542"]);
}

#[test]
fn the_lwm2m_server_may_be_ready_before_discover_is_answered() {
    discovering()
        .give(Input::ServerReady)
        .wants(&[])
        .answer(content(FRESH))
        .wants(&["PUT /0/1 as 11542"]);
}

#[test]
fn a_refusal_of_the_lwm2m_server_stops_in_either_order() {
    let why = || Input::ServerRefused("409 from its API".into());

    stops(awaiting().give(why()), "server", "refused", &["409 from its API", "not written"]);
    discovering().give(why()).wants(&["cancel", "record server refused", "done refused"]);
}

#[test]
fn without_discover_nothing_is_written() {
    for refusal in [Code::NOT_FOUND, Code::METHOD_NOT_ALLOWED, Code::BAD_REQUEST, Code::CHANGED] {
        let session = discovering().give(Input::ServerReady).answer(code(refusal));

        stops(
            session,
            "discover",
            "refused",
            &["Bootstrap-Discover / ", &refusal.to_string(), "enable it"],
        );
    }
}

#[test]
fn without_a_bootstrap_account_in_sight_nothing_is_written() {
    for discover in ["</>;lwm2m=1.1,</1/0>;ssid=5", "</0/0>;ssid=5,</1/0>;ssid=5", "</0>", ""] {
        let session = discovering().give(Input::ServerReady).answer(content(discover));

        stops(session, "discover", "refused", &["no bootstrap account", "Nothing was written"]);
    }
}

#[test]
fn an_unreadable_discover_writes_nothing() {
    let session = discovering().give(Input::ServerReady).answer(content("</0/0>;ssid=x"));

    stops(session, "discover", "failed", &["ssid", "Nothing was written"]);
}

#[test]
fn stops_at_the_first_refused_operation_and_says_which() {
    for (session, stage, operation) in [
        (deleting(), "delete", "Bootstrap-Delete /0 with"),
        (deleting().answer(code(Code::DELETED)), "delete", "Bootstrap-Delete /1 with"),
        (writing_security(), "write_security", "Bootstrap-Write /0/1 with"),
        (writing_server(), "write_server", "Bootstrap-Write /1/0 with"),
        (finishing(), "finish", "Bootstrap-Finish /bs with"),
    ] {
        let session = session.answer(code(Code::BAD_REQUEST));

        stops(session, stage, "refused", &[operation, "4.00 Bad Request", "."]);
    }
}

#[test]
fn a_refused_write_names_the_format_and_what_to_do_about_it() {
    let writing = || {
        let asked = Session::new().request(1, &post_bs(&["pct=112"])).give(Input::Staged(grant()));
        asked.answer(content(FRESH)).give(Input::ServerReady)
    };

    for (refusal, words) in [
        (Code::BAD_REQUEST, &["SenML CBOR (Content-Format 112)", "Pre-Shared Key"][..]),
        (Code::UNSUPPORTED_CONTENT_FORMAT, &["SenML CBOR (Content-Format 112)", "pct", "11542"]),
        (Code::REQUEST_ENTITY_TOO_LARGE, &["4.13", "buffer"]),
    ] {
        stops(writing().answer(code(refusal)), "write_security", "refused", words);
    }
}

#[test]
fn a_code_of_another_operation_is_no_success() {
    for (session, wrong) in [
        (deleting(), Code::CHANGED),
        (writing_security(), Code::DELETED),
        (writing_server(), Code::CONTENT),
        (finishing(), Code::CREATED),
    ] {
        let session = session.answer(code(wrong));

        assert!(session.effects.contains(&Effect::Done(Outcome::Refused)), "{wrong}");
    }
}

#[test]
fn a_server_instance_that_went_with_its_security_instance_counts_as_deleted() {
    deleting()
        .answer(code(Code::DELETED))
        .wants(&["DELETE /1"])
        .answer(code(Code::NOT_FOUND))
        .wants(&["PUT /0/1 as 11542"]);
}

#[test]
fn nothing_else_that_discover_showed_may_be_missing() {
    let only_server = discovering().answer(content("</0/0>,</1/0>")).give(Input::ServerReady);

    stops(deleting().answer(code(Code::NOT_FOUND)), "delete", "refused", &["/0", "4.04"]);
    stops(only_server.answer(code(Code::NOT_FOUND)), "delete", "refused", &["/1", "4.04"]);
}

#[test]
fn an_inconsistent_configuration_is_recorded_as_one() {
    let session = finishing().answer(code(Code::NOT_ACCEPTABLE));

    stops(session, "finish", "refused", &["4.06", "inconsistent", "Short Server ID"]);
}

#[test]
fn silence_stops_every_step() {
    for (session, stage, words) in [
        (discovering(), "discover", "same credential"),
        (deleting(), "delete", "same credential"),
        (writing_security(), "write_security", "same credential"),
        (writing_server(), "write_server", "same credential"),
        (finishing(), "finish", "may hold the credential"),
    ] {
        stops(
            session.answer(Err(Unanswered::TimedOut)),
            stage,
            "unanswered",
            &[words, "did not answer"],
        );
    }
    stops(finishing().answer(Err(Unanswered::Reset)), "finish", "unanswered", &["Reset"]);
    stops(
        discovering().answer(Err(Unanswered::Garbled)),
        "discover",
        "unanswered",
        &["put together"],
    );
}

#[test]
fn a_second_request_cancels_the_first_session_and_stages_again() {
    for (session, stage) in [
        (discovering(), "discover"),
        (deleting(), "delete"),
        (writing_security(), "write_security"),
        (writing_server(), "write_server"),
        (finishing(), "finish"),
    ] {
        session
            .request(2, &post_bs(&[]))
            .wants(&["cancel", &format!("record {stage} superseded"), "stage"])
            .give(Input::Staged(grant()))
            .wants(&["respond 2 2.04 Changed", "GET / accept 40", "await server"]);
    }
}

#[test]
fn a_second_request_has_nothing_to_cancel_where_nothing_is_sent() {
    staging().request(2, &post_bs(&[])).wants(&["record bs_request superseded", "stage"]);
    awaiting().request(2, &post_bs(&[])).wants(&["record server superseded", "stage"]);
}

#[test]
fn what_the_ledger_says_twice_counts_once() {
    discovering().give(Input::Staged(grant())).wants(&[]).answer(content(FRESH)).wants(&[]);
}

#[test]
fn a_request_during_the_delivery_waits_for_it() {
    delivering()
        .request(2, &post_bs(&[]))
        .wants(&[])
        .give(Input::Committed)
        .wants(&["record finish delivered", "stage"])
        .give(Input::Staged(grant()))
        .wants(&["respond 2 2.04 Changed", "GET / accept 40", "await server"]);
}

#[test]
fn a_device_that_leaves_after_finish_has_its_credential() {
    delivering()
        .give(Input::Abandoned)
        .wants(&[])
        .give(Input::Committed)
        .wants(&["record finish delivered", "done delivered"]);
}

#[test]
fn a_request_that_waited_goes_with_its_session() {
    delivering()
        .request(2, &post_bs(&[]))
        .give(Input::Abandoned)
        .give(Input::Committed)
        .wants(&["record finish delivered", "done delivered"]);
}

#[test]
fn nothing_is_delivered_before_the_commit() {
    delivering().wants(&["deliver"]);
}

#[test]
fn a_refused_delivery_is_a_failure_in_words() {
    let session = delivering().give(Input::DeliverRefused("it has been revoked".into()));

    stops(session, "finish", "failed", &["it has been revoked"]);
}

#[test]
fn a_session_whose_ground_is_gone_stops_and_says_why() {
    let stopped = || Input::Stopped("the credential was revoked".into());

    writing_server().give(stopped()).wants(&[
        "cancel",
        "record write_server failed",
        "done failed",
    ]);
    stops(awaiting().give(stopped()), "server", "failed", &["the credential was revoked"]);
    delivering().give(stopped()).wants(&[]);
    Session::new().give(stopped()).wants(&[]);
}

#[test]
fn a_session_that_ends_in_the_middle_is_superseded() {
    writing_server().give(Input::Abandoned).wants(&[
        "cancel",
        "record write_server superseded",
        "done superseded",
    ]);
    stops(awaiting().give(Input::Abandoned), "server", "superseded", &["same credential"]);
    let finishing = finishing().give(Input::Abandoned);
    assert!(finishing.words().contains("may hold the credential"));
}

/// One way to come to each failure. The words of all say what to do, or what will happen.
#[test]
fn every_failure_has_a_reason_of_its_own_and_words() {
    let resting = |query: &[&str]| Session::new().request(1, &post_bs(query));
    let unwritable = Grant { short_server_id: 0, ..grant() };
    let inconsistent = finishing().answer(code(Code::NOT_ACCEPTABLE));
    let sessions = [
        (Reason::NotConfirmable, Session::new().request(1, &non(post_bs(&[])))),
        (Reason::BadQuery, resting(&["ep="])),
        (Reason::BadFormat, resting(&["pct=tlv"])),
        (Reason::UnsupportedFormat, resting(&["pct=60"])),
        (Reason::NoEndpoint, Session::of(false).request(1, &post_bs(&[]))),
        (Reason::ForeignEndpoint, resting(&["ep=urn:dev:b2"])),
        (Reason::NotIssued, staging().give(Input::StageRefused("ask somebody".into()))),
        (Reason::Unwritable, staging().give(Input::Staged(unwritable))),
        (Reason::LedgerSilent, staging().give(Input::TimedOut)),
        (Reason::NoAnswer, deleting().answer(Err(Unanswered::TimedOut))),
        (Reason::Reset, deleting().answer(Err(Unanswered::Reset))),
        (Reason::Garbled, deleting().answer(Err(Unanswered::Garbled))),
        (Reason::OperationRefused, writing_server().answer(code(Code::BAD_REQUEST))),
        (Reason::Inconsistent, inconsistent),
        (Reason::UnreadableDiscover, discovering().answer(content("</0/0>;ssid=x"))),
        (Reason::NoBootstrapAccount, discovering().answer(content("</1/0>"))),
        (Reason::ServerRefused, awaiting().give(Input::ServerRefused("409".into()))),
        (Reason::ServerSilent, awaiting().give(Input::TimedOut)),
        (Reason::BeganAgain, writing_server().request(2, &post_bs(&[]))),
        (Reason::SessionEnded, writing_server().give(Input::Abandoned)),
        (Reason::Stopped, writing_server().give(Input::Stopped("it was revoked".into()))),
        (Reason::DeliveryRefused, delivering().give(Input::DeliverRefused("gone".into()))),
        (Reason::DeliveryUnknown, delivering().give(Input::TimedOut)),
    ];

    let mut seen = Vec::new();
    for (reason, session) in sessions {
        let event = session.event().expect("a record");
        assert_eq!(event.reason, Some(reason), "{}", event.words);
        assert!(event.words.len() > 40, "{}", event.words);
        seen.push(reason);
    }
    let event = not_served(&Request::new(Method::Post, &["rd"])).expect("an event");
    assert!(event.words.contains("POST /rd"), "{}", event.words);
    // Before it: what the caller alone can know.
    let of_the_caller = [Some(Reason::OutOfSpace), Some(Reason::TooOften)];
    seen.extend(of_the_caller.into_iter().chain([event.reason]).flatten());
    assert_eq!(seen, Reason::ALL);
    assert_eq!(delivering().give(Input::Committed).event().expect("a record").reason, None);
}

#[test]
fn the_first_question_of_a_1_2_client_is_no_failure() {
    assert_eq!(not_served(&Request::new(Method::Get, &["bspack"])), None);
    let long = not_served(&Request::new(Method::Get, &["x".repeat(1000).as_str()]));
    assert!(long.expect("an event").words.len() < 300);
}

/// Whether the last retransmission or the session's own limit comes first is chance.
#[test]
fn silence_has_one_reason_whatever_noticed_it() {
    for session in [discovering(), deleting(), writing_security(), writing_server(), finishing()] {
        let session = session.give(Input::TimedOut);

        assert_eq!(session.event().expect("a record").reason, Some(Reason::NoAnswer));
    }
}

#[test]
fn the_key_is_gone_once_it_is_sent() {
    for (session, held) in [
        (staging(), false),
        (discovering(), true),
        (awaiting(), true),
        (deleting(), true),
        (writing_security(), false),
        (writing_server(), false),
        (finishing(), false),
    ] {
        let payloads = session.state().payloads();
        let holds = payloads.windows(KEY.len()).any(|bytes| bytes == KEY);
        assert_eq!(holds, held);
    }
}

#[test]
fn debug_of_machine_input_and_effects_shows_no_key() {
    let shown = format!("{:?} {:?}", Input::Staged(grant()), writing_security().effects);
    let machines = [discovering(), awaiting(), deleting(), writing_security(), delivering()];
    let shown = machines.iter().fold(shown, |all, s| format!("{all} {:?}", s.machine));

    for form in ["a-very-secret-ke".to_owned(), format!("{:?}", &KEY[..4]).replace(['[', ']'], "")]
    {
        assert!(!shown.contains(&form), "{form} is in {shown}");
    }
}

/// One input of any kind.
#[derive(Debug, Clone, Copy)]
enum Step {
    Ask(bool),
    Staged,
    ServerReady,
    Answer(Code),
    Discovered(&'static str),
    Silence,
    Committed,
    Abandoned,
    Stopped,
    TimedOut,
}

/// Weighted towards what goes on, so that runs get far.
fn any_step() -> impl Strategy<Value = Step> {
    let discovered =
        prop::sample::select(vec![FRESH, USED, "</0/1>,</0/0>;ssid=4", "</0/0>;ssid=1", "<"]);
    prop_oneof![
        2 => prop::bool::weighted(0.9).prop_map(Step::Ask),
        4 => Just(Step::Staged),
        4 => Just(Step::ServerReady),
        4 => discovered.prop_map(Step::Discovered),
        4 => Just(Step::Answer(Code::DELETED)),
        8 => Just(Step::Answer(Code::CHANGED)),
        1 => Just(Step::Answer(Code::BAD_REQUEST)),
        1 => Just(Step::Silence),
        2 => Just(Step::Committed),
        1 => Just(Step::Abandoned),
        1 => Just(Step::Stopped),
        1 => Just(Step::TimedOut),
    ]
}

fn take(session: Session, step: Step) -> Session {
    match step {
        Step::Ask(true) => session.request(1, &post_bs(&[])),
        Step::Ask(false) => session.request(1, &post_bs(&["ep=other"])),
        Step::Staged => session.give(Input::Staged(grant())),
        Step::ServerReady => session.give(Input::ServerReady),
        Step::Answer(c) => session.answer(code(c)),
        Step::Discovered(text) => session.answer(content(text)),
        Step::Silence => session.answer(Err(Unanswered::TimedOut)),
        Step::Committed => session.give(Input::Committed),
        Step::Abandoned => session.give(Input::Abandoned),
        Step::Stopped => session.give(Input::Stopped("because".into())),
        Step::TimedOut => session.give(Input::TimedOut),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_account_is_spared_and_finish_follows_both_writes(
        steps in prop::collection::vec(any_step(), 0..60)
    ) {
        let mut session = Session::new();
        let (mut account, mut ready, mut written) = (None, false, 0);
        for step in steps {
            let in_discover = session.machine.as_ref().and_then(Bootstrap::stage) == Some(Stage::Discover);
            session = take(session, step);
            match step {
                Step::Discovered(text) if in_discover => {
                    account = Some(if text.starts_with("</0/1>") { "/0/1" } else { "/0/0" });
                }
                Step::ServerReady => ready = true,
                _ => {}
            }
            for effect in &session.effects {
                match effect {
                    Effect::Stage => (account, ready, written) = (None, false, 0),
                    Effect::AwaitServer => ready = false,
                    Effect::Send(request) if request.method == Method::Put => {
                        prop_assert!(ready, "the LwM2M server comes first");
                        prop_assert!(account.is_some_and(|a| a != request.path_string()));
                        written += 1;
                    }
                    Effect::Send(request) if request.method == Method::Post => {
                        prop_assert_eq!(written, 2);
                    }
                    Effect::Deliver { .. } => prop_assert_eq!(written, 2),
                    _ => {}
                }
            }
            let records = session.effects.iter().filter(|e| matches!(e, Effect::Record(_))).count();
            prop_assert!(records <= 1);
        }
    }
}
