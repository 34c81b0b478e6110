"""What a request of the Responses API says about the form of its answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.api.responses.answer import new_response_id, responses_encoder
from proxy.events import Event, Finish, ReasoningDelta, TextDelta
from proxy.exchange import Exchange
from proxy.providers.provider import TranslateOptions
from tests.support.drive import asking, exchange_of
from tests.support.grammar import Checked, check_stream

TOKEN = {"token": "a", "bytes": [97], "logprob": -0.5, "top_logprobs": []}
EVENTS: list[Event] = [ReasoningDelta("r"), TextDelta("a", [TOKEN]), Finish()]


def exchange(*, translate: TranslateOptions | None = None, **fields: Any) -> Exchange:
    """Returns the exchange of a request with some fields."""
    one = exchange_of(asking(**fields))
    one.translate = translate
    return one


def answered(one: Exchange, *, done_marker: bool = True) -> Checked:
    """Returns what the client of an exchange is told."""
    encoder = responses_encoder(one)
    return check_stream(encoder.begin() + encoder.encode(EVENTS), done_marker=done_marker)


def test_the_response_bears_the_exchanges_id_time_and_model() -> None:
    one = exchange(instructions="be kind")
    one.asked_model = "asked"
    response = answered(one).response
    assert response["id"] == one.response_id
    assert response["created_at"] == int(one.timing.wall)
    assert (response["model"], response["instructions"]) == ("asked", "be kind")


@pytest.mark.parametrize(
    ("fields", "keeps", "shown"),
    [({}, True, True), ({}, False, False), ({"store": True}, False, False), ({"store": False}, True, False)],
)
def test_a_response_says_whether_it_can_be_retrieved(fields: dict[str, Any], keeps: bool, shown: bool) -> None:
    one = exchange(**fields)
    one.keeps = keeps  # in the background also with `store: false`, for as long as that takes
    encoder = responses_encoder(one)
    encoder.encode(EVENTS)
    assert json.loads(encoder.final())["store"] is shown


def test_an_id_that_was_promised_is_kept() -> None:
    one = exchange()
    one.response_id = "resp_promised0000000000000000"
    assert answered(one).response["id"] == "resp_promised0000000000000000"


@pytest.mark.parametrize(
    ("fields", "setting", "shown"),
    [
        ({}, "auto", "content"),
        ({"reasoning": {"effort": "low"}}, "auto", "content"),
        ({"reasoning": {"summary": "auto"}}, "auto", "summary"),
        ({"reasoning": {"generate_summary": "concise"}}, "auto", "summary"),
        ({"reasoning": {"summary": "auto"}}, "content", "content"),
        ({}, "summary", "summary"),
        ({"reasoning": {"summary": "auto"}}, "drop", None),
    ],
)
def test_thinking_is_shown_as_the_file_or_the_request_say(fields: Any, setting: Any, shown: str | None) -> None:
    said = answered(exchange(translate=TranslateOptions(reasoning=setting), **fields))
    found = [item for item in said.output if item["type"] == "reasoning"]
    assert [name for item in found for name in ("content", "summary") if item[name]] == ([shown] if shown else [])


@pytest.mark.parametrize(
    ("fields", "shown"),
    [({}, 0), ({"include": ["message.output_text.logprobs"]}, 1), ({"top_logprobs": 2}, 1), ({"top_logprobs": 0}, 0)],
)
def test_log_probabilities_are_shown_when_asked_for(fields: Any, shown: int) -> None:
    assert len(answered(exchange(**fields)).of("output_text.delta")[0]["logprobs"]) == shown


def test_deltas_are_padded_when_asked_for() -> None:
    one = exchange(stream=True, stream_options={"include_obfuscation": True})
    assert "obfuscation" in answered(one).of("output_text.delta")[0]
    assert "obfuscation" not in answered(exchange(stream=True)).of("output_text.delta")[0]


def test_the_marker_behind_the_end_is_the_files_choice() -> None:
    answered(exchange(translate=TranslateOptions(done_marker=False)), done_marker=False)
    answered(exchange())


def test_a_log_is_kept_and_the_end_is_held_for_what_is_kept() -> None:
    one = exchange(stream=True)
    assert responses_encoder(one).log is None
    one.keeps = one.keeps_log = True
    encoder = responses_encoder(one)
    assert encoder.log is not None
    told = encoder.begin() + encoder.encode(EVENTS)
    assert not encoder.log.ended
    assert encoder.log.render(0, 100)[0] == told
    told += encoder.end()
    assert encoder.log.render(0, 100)[0] == told


def test_a_log_has_the_marker_behind_the_end_if_the_stream_has() -> None:
    one = exchange(stream=True, translate=TranslateOptions(done_marker=False))
    one.keeps_log = True
    log = responses_encoder(one).log
    assert log is not None
    assert not log.done_marker


def test_response_ids_are_fresh_and_of_openais_form() -> None:
    assert new_response_id() != new_response_id()
    assert new_response_id().startswith("resp_")
    assert json.loads(responses_encoder(exchange()).begin().split(b"data: ")[1].split(b"\n")[0])["type"]
