"""The project's own recordings, and the `echo` upstream as it is today, through the three machines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.api.responses.encoder_options import EncoderOptions
from tests.support.grammar import check_stream
from tests.support.machines import DONE, Setup, call, chunk, final_of, translate
from tests.support.own_recordings import index, play, recorded
from tests.support.replay import collect, replay, without_parsed
from tests.support.sdk_types import check_event

INDEX = index()
LOGPROBS = Setup(options=EncoderOptions(logprobs=True))


def check(raw: bytes, says: dict[str, Any]) -> None:
    """Judges the translation of a stream and compares it with what the index says of it."""
    said = check_stream(translate(raw, setup=LOGPROBS))
    assert said.text == says.get("text", "")
    assert said.reasoning == says.get("reasoning", "")
    assert said.refusal == says.get("refusal", "")
    assert [[name, json.loads(arguments)] for name, arguments in said.calls] == says.get("calls", [])
    assert said.response["status"] == says.get("status", "completed")
    assert said.response["incomplete_details"] == ({"reason": says["reason"]} if "reason" in says else None)
    assert (said.response["usage"] is not None) == says.get("usage", False)
    assert final_of(raw, LOGPROBS) == said.response
    for event in said.events:
        check_event(event)


@pytest.mark.parametrize("name", INDEX)
def test_a_recording_says_what_its_request_asked_for(name: str) -> None:
    check(recorded(name), INDEX[name]["says"])


@pytest.mark.parametrize("name", INDEX)
def test_echo_says_it_today(name: str) -> None:
    check(play(INDEX[name]["request"]), INDEX[name]["says"])


@pytest.mark.parametrize("name", INDEX)
def test_a_recording_cut_at_every_byte(name: str) -> None:
    raw = recorded(name)
    expected = translate(raw)
    assert translate(raw, range(1, len(raw))) == expected
    assert all(translate(raw, (cut,)) == expected for cut in range(1, len(raw)))


def test_logprobs_arrive() -> None:
    said = check_stream(translate(recorded("logprobs"), setup=LOGPROBS))
    entries = said.output[0]["content"][0]["logprobs"]
    assert [entry["token"] for entry in entries] == ["Hi", " you"]


INTERLEAVED = b"".join([
    chunk({"reasoning": "hm"}), chunk(call(0, "call_a", "f", '{"p"')), chunk(call(1, "call_b", "g", '{"q"')),
    chunk(call(0, arguments=':"a')), chunk(call(1, arguments=':"b')), chunk(call(0, arguments='"}')),
    chunk(call(1, arguments='"}')), chunk({}, "tool_calls"), DONE,
])  # fmt: skip
LEFT_OPEN = b"".join([
    chunk(call(0, "call_a", "f", '{"p"')), chunk({"content": "wait"}), chunk(call(0, arguments=":1}")),
    chunk({"content": " more"}), chunk({}, "stop"), DONE,
])  # fmt: skip
REFUSED = chunk({"content": "I "}) + chunk({"refusal": "will not"}) + chunk({}, "stop") + DONE


@pytest.mark.parametrize("raw", [INTERLEAVED, LEFT_OPEN, REFUSED], ids=["interleaved", "left open", "refused"])
async def test_the_sdk_reads_what_no_recording_shows(raw: bytes) -> None:
    said = check_stream(translate(raw))
    seen: list[str] = []
    async with replay(translate(raw), 1) as stream:
        await collect(stream, seen)
        final = await stream.get_final_response()
    assert seen == [event["type"] for event in said.events]
    assert without_parsed(final.to_dict(mode="json")) == said.response
