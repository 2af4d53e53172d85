//! Every state with every input, against `table.txt`.

use super::*;
use core::fmt::Write as _;

type Row = (&'static str, fn() -> Session);

const STATES: [Row; 12] = [
    ("Resting", Session::new),
    ("Staging", staging),
    ("Discovering", discovering),
    ("Discovering, server ready", || discovering().give(Input::ServerReady)),
    ("Discovering, revived", revived),
    ("AwaitingServer", awaiting),
    ("Deleting", deleting),
    ("WritingSecurity", writing_security),
    ("WritingServer", writing_server),
    ("Finishing", finishing),
    ("Delivering", delivering),
    ("Delivering, asked again", || delivering().request(2, &post_bs(&[]))),
];

type Beat = (&'static str, fn(Session) -> Session);

const INPUTS: [Beat; 19] = [
    ("Requested POST /bs", |s| s.request(3, &post_bs(&[]))),
    ("Requested POST /bs, NON", |s| s.request(3, &non(post_bs(&[])))),
    ("Requested POST /bs?ep=other", |s| s.request(3, &post_bs(&["ep=other"]))),
    ("Requested GET /rd", |s| s.request(3, &Request::new(Method::Get, &["rd"]))),
    ("Staged", |s| s.give(Input::Staged(grant()))),
    ("Revived", |s| s.give(Input::Revived(grant()))),
    ("StageRefused", |s| s.give(Input::StageRefused("why".into()))),
    ("ServerReady", |s| s.give(Input::ServerReady)),
    ("ServerRefused", |s| s.give(Input::ServerRefused("why".into()))),
    ("Answered 2.05, an account", |s| s.answer(content(FRESH))),
    ("Answered 2.05, no account", |s| s.answer(content("</1/0>"))),
    ("Answered 2.02", |s| s.answer(code(Code::DELETED))),
    ("Answered 2.04", |s| s.answer(code(Code::CHANGED))),
    ("Answered 4.06", |s| s.answer(code(Code::NOT_ACCEPTABLE))),
    ("Unanswered", |s| s.answer(Err(Unanswered::TimedOut))),
    ("Committed", |s| s.give(Input::Committed)),
    ("DeliverRefused", |s| s.give(Input::DeliverRefused("why".into()))),
    ("Abandoned", |s| s.give(Input::Abandoned)),
    ("TimedOut", |s| s.give(Input::TimedOut)),
];

fn name(state: &State) -> String {
    format!("{state:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}

#[test]
fn every_state_answers_every_input_as_the_table_says() {
    let mut table = String::new();
    for (state, reach) in STATES {
        writeln!(table, "{state}").expect("a String takes all");
        for (input, give) in INPUTS {
            let after = give(reach());
            let lines: Vec<_> = after.effects.iter().map(line).collect();
            let (next, wants) = (name(after.state()), lines.join(", "));
            let wants = if wants.is_empty() { "-" } else { &wants };
            writeln!(table, "  {input} -> {next}: {wants}").expect("a String takes all");
        }
    }

    for (n, (found, expected)) in table.lines().zip(include_str!("table.txt").lines()).enumerate() {
        assert_eq!(found, expected, "line {}", n + 1);
    }
    assert_eq!(table.lines().count(), include_str!("table.txt").lines().count(), "\n{table}");
}
