"""Whatever an upstream sends, the client gets one legal stream; and what is well-formed in it arrives unchanged."""

from __future__ import annotations

import json
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.api.responses.encoder_options import EncoderOptions
from tests.support.bad_streams import BODIES, STREAMS, budget
from tests.support.fixtures import recording, recordings
from tests.support.grammar import check_response, check_stream
from tests.support.machines import DONE, Form, Forms, Setup, translate, translate_whole
from tests.support.sdk_types import check_event, check_object
from tests.support.told_streams import USAGE, Story, stories, told

RECORDED = [row["path"] for row in recordings("openai-chat-completions-stream") if row["bytes"] < 100_000]

FORMS = Forms({
    "get": Form("function", "get"),
    "patch": Form("custom", "patch"),
    "shell": Form("shell", "shell"),
    "local_shell": Form("local_shell", "local_shell"),
    "apply_patch": Form("apply_patch", "apply_patch"),
    "tool_search": Form("tool_search", "tool_search"),
    "ns__get": Form("function", "get", namespace="ns"),
})  # fmt: skip
STRICT_FORMS = Forms(FORMS.by_name, forbidden=frozenset({"put"}))
SETUPS = st.builds(
    lambda reasoning, logprobs, tools, seal, think: Setup(
        options=EncoderOptions(reasoning=reasoning, logprobs=logprobs), tools=tools, seal=seal, think_tags=think
    ),
    st.sampled_from(["content", "content", "summary", "drop"]),
    st.booleans(),
    st.sampled_from([None, FORMS, FORMS, STRICT_FORMS]),
    st.sampled_from([None, lambda state, text: "sealed"]),
    st.sampled_from(["off", "off", "on"]),
)


@budget(200)
@given(raw=STREAMS, setup=SETUPS, seed=st.integers(0, 3))
def test_every_output_is_legal_and_the_same_in_any_pieces(raw: bytes, setup: Setup, seed: int) -> None:
    produced = translate(raw, setup=setup)
    said = check_stream(produced)
    for event in said.events:
        check_event(event)
    if setup.tools is STRICT_FORMS:
        assert "put" not in {name for name, _ in said.calls}
    dice = random.Random(seed)
    cuts = sorted(dice.sample(range(1, max(2, len(raw))), min(6, max(1, len(raw) - 1))))
    assert translate(raw, cuts, setup) == produced


@budget(60)
@given(raw=STREAMS, setup=SETUPS, cut=st.floats(0, 1))
def test_a_stream_that_just_stops_is_told_to_the_end(raw: bytes, setup: Setup, cut: float) -> None:
    check_stream(translate(raw[: int(len(raw) * cut)], setup=setup))


@budget(60)
@given(raw=STREAMS, setup=SETUPS)
def test_padded_deltas_and_no_marker_are_legal_too(raw: bytes, setup: Setup) -> None:
    assert setup.options is not None
    plain = check_stream(translate(raw, setup=setup))
    setup.options = msgspec.structs.replace(setup.options, obfuscation=True, done_marker=False)
    padded = check_stream(translate(raw, setup=setup), done_marker=False)
    assert padded.types == plain.types
    assert padded.response == plain.response
    for event in padded.events:
        if "delta" in event:
            assert (len(event["delta"]) + len(event["obfuscation"])) % 16 == 0


@budget(100)
@given(raw=BODIES, setup=SETUPS)
def test_every_whole_body_gives_a_legal_response(raw: bytes, setup: Setup) -> None:
    final = check_response(translate_whole(raw, setup))
    check_object(final)
    assert json.loads(json.dumps(final)) == final


@budget(150)
@given(story=stories(), escapes=st.booleans(), summary=st.booleans())
def test_a_well_formed_answer_arrives_unchanged(story: Story, escapes: bool, summary: bool) -> None:
    setup = Setup(options=EncoderOptions(reasoning="summary" if summary else "content"))
    said = check_stream(translate(told(story, escapes=escapes), setup=setup))
    assert (said.text, said.reasoning, said.refusal) == (story.text, story.reasoning, story.refusal)
    assert said.calls == [(name, arguments) for name, arguments in story.calls]
    assert said.response["status"] == story.status
    assert [item["type"] for item in said.output] == story.kinds
    ids = [item["call_id"] for item in said.output if item["type"] == "function_call"]
    assert ids == [expected or made for expected, made in zip(story.ids, ids, strict=True)]
    usage = said.response["usage"]
    assert (usage and usage["total_tokens"]) == (story.usage and USAGE["total_tokens"])


@budget(60)
@given(story=stories(), escapes=st.booleans(), kept=st.floats(0, 1))
def test_what_came_before_a_failure_is_kept(story: Story, escapes: bool, kept: float) -> None:
    whole = told(story, escapes=escapes)
    frames = whole.split(b"\n\n")[: int(len(story.chunks) * kept)]
    broken = b"\n\n".join([*frames, b'data: {"error":{"message":"Provider disconnected","code":502}}', b""])
    said, before = check_stream(translate(broken)), check_stream(translate(b"\n\n".join([*frames, DONE])))
    if b'"finish_reason": "' not in b"".join(frames):
        assert said.response["error"] == {"code": "server_error", "message": "Provider disconnected"}
    assert (said.text, said.reasoning, said.refusal) == (before.text, before.reasoning, before.refusal)
    assert [name for name, _ in said.calls] == [name for name, _ in before.calls]


def damaged(raw: bytes, other: bytes, dice: random.Random) -> list[bytes]:
    """Returns a recording cut short, with an event dropped, repeated, out of place, and run into another recording."""
    events = raw.split(b"\n\n")
    others = other.split(b"\n\n")
    place = dice.randrange(len(events))
    elsewhere = dice.randrange(len(events))
    moved = events[:place] + events[place + 1 :]
    return [
        raw[: dice.randrange(len(raw))],
        b"\n\n".join(moved),
        b"\n\n".join([*events[:place], events[place], *events[place:]]),
        b"\n\n".join([*moved[:elsewhere], events[place], *moved[elsewhere:]]),
        b"\n\n".join([*events[:place], *others[dice.randrange(len(others)) :]]),
    ]


@pytest.mark.parametrize("path", RECORDED)
def test_damaged_recordings_give_legal_streams(path: str) -> None:
    dice = random.Random(path)
    for raw in damaged(recording(path), recording(dice.choice(RECORDED)), dice):
        check_stream(translate(raw))
