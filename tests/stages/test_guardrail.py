"""Rules on requests and on answers, as the file says them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from proxy.config.loader import load_text
from proxy.errors import ConfigError, UpstreamRefused
from proxy.events import Event, Finish, ReasoningDelta, ReasoningState, TextDelta, ToolCallDelta, ToolCallStart
from stages.guardrail import GuardrailConfig
from tests.support.drive import Driven, asking, chatting, drive, exchange_of, texts
from tests.support.guarding import Oracle, guard, masking, without
from tests.support.house import house
from tests.support.scripted import ScriptedProvider, chunk, fails, stream


def error(driven: Driven) -> dict[str, Any]:
    assert driven.reply is not None
    return dict(msgspec.json.decode(driven.reply.body)["error"])


WORDS = {"words": ["bluebird", "red fox"]}


async def test_a_request_with_a_banned_word_is_refused_without_naming_it() -> None:
    stage = await guard(WORDS)
    driven = await drive(stage, asking("tell me of BlueBird"))
    assert driven.head.status == 400
    assert error(driven) == {
        "message": 'The request was refused by the content rule "rule 0".',
        "type": "content_filter_error",
        "param": "input",
        "code": "content_filter",
    }
    assert driven.exchange.marks["guardrail"] == [{"rule": "rule 0", "action": "blocked", "where": "input"}]
    assert error(await drive(stage, chatting("hi", "a red fox")))["param"] == "messages"
    assert (await drive(stage, asking("tell me of birds"), texts("tweet"))).text == "tweet"


async def test_every_text_of_the_request_is_searched() -> None:
    stage = await guard(WORDS)
    parts = [
        {"instructions": "you are bluebird"},
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": "bluebird"}]}]},
        {"input": [{"type": "function_call_output", "call_id": "c", "output": "a bluebird"}]},
    ]
    for part in parts:
        assert (await drive(stage, asking(**part))).head.status == 400, part


async def test_masks_go_into_the_request() -> None:
    stage = await guard(
        {**WORDS, "action": "mask"}, {"match": "regex", "pattern": r"\d{4}", "action": "mask", "mask": "#"}
    )
    driven = await drive(stage, asking("bluebird has 1234 feathers"), texts("the red ", "fox has 5", "678"))
    assert driven.request is not None
    assert [text.text for text in driven.request.texts()] == ["[rule 0] has # feathers"]
    assert driven.text == "the [rule 0] has #"
    found = [(mark["rule"], mark["where"]) for mark in driven.exchange.marks["guardrail"]]
    assert found == [("rule 0", "input"), ("rule 1", "input"), ("rule 0", "output"), ("rule 1", "output")]


async def test_an_answer_ends_in_front_of_the_word() -> None:
    stage = await guard({**WORDS, "scan": ["output"]})
    driven = await drive(stage, asking("bluebird?"), texts("It is a b", "luebi", "rd."))
    assert driven.text == "It is a "
    assert driven.seen[-1] == Finish("content_filter")
    assert driven.outcome == "incomplete"
    assert driven.exchange.marks["guardrail"] == [{"rule": "rule 0", "action": "blocked", "where": "output"}]


async def test_only_what_may_become_a_word_is_held_back() -> None:
    stage = await guard(WORDS)
    watch = await stage.on_request(exchange_of())
    assert watch is not None
    seen = [watch.on_events(exchange_of(), [TextDelta(piece)]) for piece in ("the", " r", "ed", " f", "ish ", "b")]
    assert seen == [[TextDelta("the")], [TextDelta(" ")], [], [], [TextDelta("red fish ")], []]


async def test_rules_look_where_they_are_told_to() -> None:
    events: list[Event] = [
        ReasoningDelta("bluebird"),
        TextDelta("bluebird"),
        ToolCallStart(0, "call_1", "f"),
        ToolCallDelta(0, '"bluebird"'),
        Finish(),
    ]
    for where, kept in (("reasoning", 0), ("output", 1), ("arguments", 2)):
        driven = await drive(await guard({**WORDS, "scan": [where]}), asking(), events)
        assert driven.seen == [*events[:kept], Finish("content_filter")], where
    driven = await drive(await guard({**WORDS, "scan": ["input"]}), asking(), events)
    assert driven.seen == events


async def test_a_rule_for_the_input_alone_leaves_the_answer_alone() -> None:
    stage = await guard({**WORDS, "scan": ["input"]})
    assert await stage.on_request(exchange_of()) is None


async def test_words_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("# secret projects\n\nbluebird\n red fox \n")
    stage = await guard({"words_file": "words.txt", "words": ["more"]}, directory=tmp_path)
    for text in ("bluebird", "red fox", "more"):
        assert (await drive(stage, asking(text))).head.status == 400
    assert (await drive(stage, asking("secret projects"))).reply is None


@pytest.mark.parametrize(
    ("content", "what"), [(None, "No such file"), ("# none\n", "no words"), ("\u200b", "nothing is left")]
)
async def test_files_of_words_that_cannot_be_used_stop_the_start(
    tmp_path: Path, content: str | None, what: str
) -> None:
    if content is not None:
        (tmp_path / "words.txt").write_text(content)
    with pytest.raises(ConfigError, match=what):
        await guard({"words_file": "words.txt"}, directory=tmp_path)


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ({}, "nothing to look for"),
        ({"match": "regex", "words": ["x"]}, "nothing to look for"),
        ({"match": "regex", "pattern": "x", "words": ["x"]}, "both words and patterns"),
        ({"match": "regex", "pattern": "(", "engine": "python"}, "is wrong: missing"),
        ({"match": "regex", "pattern": "(?<=a)b", "engine": "re2"}, "is wrong: RE2 refuses it"),
        ({"match": "http"}, "nothing to look for"),
        ({"match": "http", "url": "nowhere"}, "url: "),
        ({"match": "pii", "words": ["x"]}, "words means nothing with match: pii"),
        ({"words": ["x"], "on_timeout": "release"}, "never lets go"),
        ({"match": "regex", "patterns": ["a", "b*"]}, "matches the empty text"),
        ({"words": [""]}, "nothing is left"),
        ({"words": ["x"], "mask": "[x]", "action": "mask"}, "holds what the rule hides"),
        ({"words": ["x"], "scan": []}, "length >= 1"),
    ],
)
def test_rules_that_make_no_sense_are_refused(rule: dict[str, Any], what: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=what):
        msgspec.convert({"rules": [{"name": "r", **rule}]}, GuardrailConfig)


def test_two_rules_of_one_name_are_refused() -> None:
    rule = {"name": "r", "words": ["x"]}
    with pytest.raises(msgspec.ValidationError, match="two rules"):
        msgspec.convert({"rules": [rule, rule]}, GuardrailConfig)


async def test_personal_data_is_masked_by_its_kind_both_ways() -> None:
    stage = await guard({"match": "pii", "kinds": ["credit_card", "email"], "action": "redact"})
    driven = await drive(stage, asking("4111 1111 1111 1111"), texts("write to a@", "b.co", " or 4111 1111 1111 1112"))
    assert driven.request is not None
    assert [text.text for text in driven.request.texts()] == ["[credit_card]"]
    assert driven.text == "write to [email] or 4111 1111 1111 1112"
    kinds = [(mark["kind"], mark["action"], mark["where"]) for mark in driven.exchange.marks["guardrail"]]
    assert kinds == [("credit_card", "masked", "input"), ("email", "masked", "output")]


async def test_flags_change_nothing() -> None:
    stage = await guard({**WORDS, "action": "flag"})
    driven = await drive(stage, asking("bluebird"), texts("a red", " fox"))
    assert (driven.text, driven.outcome) == ("a red fox", "completed")
    assert [mark["action"] for mark in driven.exchange.marks["guardrail"]] == ["flagged", "flagged"]
    assert driven.head.headers["x-penstock-flagged"] == "rule 0"


async def test_who_is_asked_sees_what_the_other_rules_have_left_and_is_closed_with_the_stage() -> None:
    hook = {"match": "http", "url": "http://127.0.0.1:9/"}
    stage = await guard({**WORDS, "action": "mask"}, hook)
    oracle = Oracle(without("bad"))
    (asks,) = stage._askings
    await asks.close()
    asks._check = oracle
    driven = await drive(stage, asking("a bluebird"), [[*texts("red fox, ", "bad")]])
    assert driven.seen == [Finish("content_filter")]
    assert [asked.texts for asked in oracle.asked] == [("a [rule 0]",), ("[rule 0], bad",)]
    assert (await drive(stage, asking("bad"))).head.status == 400
    await stage.close()
    assert oracle.closed


@pytest.mark.parametrize("action", ["block", "mask"])
async def test_what_others_put_in_place_is_searched_before_it_goes_out(action: str) -> None:
    scan = {"scan": ["output", "arguments"]}
    stage = await guard({**WORDS, **scan, "action": action}, {"match": "http", "url": "http://127.0.0.1:9/", **scan})
    (asks,) = stage._askings
    await asks.close()
    asks._check = Oracle(masking("bad", "red fox"))
    call = [ToolCallStart(0, "call_1", "f"), ToolCallDelta(0, '"bad"'), Finish()]
    for events in (texts("a ", "bad", " day"), call):
        driven = await drive(stage, asking(), [events])
        assert "red fox" not in str(driven.seen)
        assert (driven.outcome, "[rule 0]" in str(driven.seen)) == (
            ("incomplete", False) if action == "block" else ("completed", True)
        )
        assert {"rule": "rule 0", "action": f"{action}ed", "where": "arguments" if events is call else "output"} in (
            driven.exchange.marks["guardrail"]
        )


@pytest.mark.parametrize("rule", [WORDS, {"match": "http", "url": "http://127.0.0.1:9/"}])
async def test_thoughts_that_are_searched_do_not_go_out_as_state_either(rule: dict[str, Any]) -> None:
    shown, sealed = {"type": "thinking", "thinking": "blue"}, {"type": "reasoning.encrypted", "data": "x"}
    events: list[Event] = [ReasoningState({"field": "thinking_blocks", "details": [shown, sealed]}), Finish()]
    stage = await guard({**rule, "action": "mask", "scan": ["reasoning"]})
    assert (await drive(stage, chatting(), events)).seen == [
        ReasoningState({"field": "thinking_blocks", "details": [sealed]}), Finish()
    ]  # fmt: skip
    assert (await drive(stage, asking(), events)).seen == events  # there it goes out sealed
    noting = await guard({**rule, "action": "flag", "scan": ["reasoning"]})
    assert (await drive(noting, chatting(), events)).seen == events


def test_a_judge_that_is_not_served_is_a_mistake_in_the_file() -> None:
    rules = "[{name: judge, match: model, model: nobody}]"
    upstreams = "upstreams: {e: {kind: echo}}\nmodels: {m: e/echo}\n"
    text = f"{upstreams}pipeline: [guardrail: {{rules: {rules}}}, route]\n"
    with pytest.raises(ConfigError, match=r'guardrail.rules\[0\].model: unknown model "nobody"'):
        load_text(text, "pipeline.yaml")


def refused() -> UpstreamRefused:
    return UpstreamRefused("you said bluebird", status=400)


IN_STREAM = b'data: {"error":{"message":"you said bluebird","type":"server_error"}}\n\n'


@pytest.mark.parametrize(("action", "left"), [("mask", "you said [rule 0]"), ("block", "withheld by a content rule")])
async def test_what_an_upstream_says_of_its_failure_is_searched(action: str, left: str) -> None:
    for scan in (["output"], ["input"]):
        stage = await guard({**WORDS, "scan": scan, "action": action})
        for streamed, script in ((False, fails(refused())), (True, stream(chunk(content="a"), IN_STREAM))):
            async with house(ScriptedProvider("up", script), stages=[stage]) as home:
                _, _, raw = await home.ask(stream=streamed)
                exchange = await home.settled()
            assert exchange.error is not None
            searched = scan == ["output"]
            assert (b"bluebird" in raw, "bluebird" in exchange.error.message) == (not searched, not searched)
            assert (left in raw.decode()) == searched
            assert ("guardrail" in exchange.marks) == searched


PATTERN_FILE = """\
upstreams: {e: {kind: echo}}
models: {m: e/echo}
pipeline:
  - guardrail:
      rules:
        - {name: numbers, match: regex, pattern: '\\d{9}'}
        - {name: evil, match: regex, engine: python, pattern: '(a+)+$'}
  - route
"""


def test_the_file_is_told_of_what_python_might_hang_at(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(PATTERN_FILE, "pipeline.yaml")
    (problem,) = caught.value.problems
    assert 'rule "evil": the pattern' in problem.what
    assert "may take Python's engine for ever: a repeat stands within a repeat" in problem.what
    assert (problem.line, problem.fix) == (5, "leave out engine")
    harmless = PATTERN_FILE.replace("(a+)+$", "a+b")
    assert load_text(harmless, "pipeline.yaml").warnings == ()
    monkeypatch.setattr("proxy.guardrails.local.has_re2", lambda: False)
    (warning,) = load_text(harmless, "pipeline.yaml").warnings
    assert str(warning) == (
        'pipeline.yaml:6:34: warning: guardrail: rule "numbers": RE2 is not installed; '
        "Python's engine is slower, and takes fewer patterns   "
        "(pip install 'penstock[guardrails]', or set engine: python)"
    )
    with pytest.raises(ConfigError, match=r"mend it, or pip install 'penstock\[guardrails\]'"):
        load_text(PATTERN_FILE.replace("engine: python, ", ""), "pipeline.yaml")
