"""Names of what is passed on: exact in any layout of a chunk, whatever stands in its texts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.api.chat.relay import ChatRelay
from proxy.api.chat.renaming import Renaming
from tests.support.chat_streams import chunk, payloads, sse
from tests.support.fixtures import recording, recordings

OURS = {"id": "chatcmpl-ours", "model": 'the "smart" one'}
UP = {"id": "chatcmpl-theirs", "model": "up-2024"}
TEXTS = ("Hi", '"model":"up-2024"', '],"id":"chatcmpl-theirs","model":"up-2024"', "é\n", "")

FRONT = chunk({}, **UP)
SORTED = {name: FRONT[name] for name in sorted(FRONT)}
MIXED = {name: FRONT[name] for name in ("id", "choices", "object", "created", "model")}
BEHIND = {name: FRONT[name] for name in ("choices", "model")}
LAYOUTS = (FRONT, SORTED, MIXED, BEHIND)


def names() -> Renaming:
    return Renaming(OURS["id"], OURS["model"])


def through(data: bytes, machine: Renaming) -> bytes:
    """Returns what the relay makes of one payload."""
    if data.startswith(machine.theirs):
        return machine.ours + data[machine.length :]
    return machine.renamed(data)


def saying(layout: dict[str, Any], text: str) -> dict[str, Any]:
    return {**layout, "choices": [{"index": 0, "delta": {"content": text}}]}


def renamed(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, **{name: one for name, one in OURS.items() if name in fields}}


@pytest.mark.parametrize("layout", LAYOUTS, ids=["in front", "sorted", "on both sides", "no id"])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,", " : ")])
def test_every_chunk_bears_our_names_and_all_else_is_as_it_was(layout, separators) -> None:
    machine = names()
    for text in TEXTS:
        given = saying(layout, text)
        out = json.loads(through(json.dumps(given, separators=separators).encode(), machine))
        assert (out, list(out)) == (renamed(given), list(given))


def test_what_was_learned_is_used_and_leaves_the_other_bytes_alone() -> None:
    for layout in (FRONT, SORTED):
        machine = names()
        data = json.dumps(saying(layout, "Hi"), separators=(",", ":")).encode()
        first = through(data, machine)
        spaced = data.replace(b'"content":"Hi"', b'"content" :  "Hi"')
        assert through(spaced, machine) == first.replace(b'"content":"Hi"', b'"content" :  "Hi"')


def test_ids_that_never_agree_are_renamed_all_the_same() -> None:
    machine = names()
    for number in range(100):
        data = json.dumps({**saying(FRONT, "Hi"), "id": f"c{number}"}).encode()
        assert json.loads(through(data, machine))["id"] == OURS["id"]


@pytest.mark.parametrize("data", [b'{"choices":[]}', b'{"choices":[],', b"\xff", b'{"object":"list"}', b"[1]", b'""'])
def test_what_has_no_names_stays_as_it_is(data) -> None:
    assert names().renamed(data) == data


def test_the_same_member_deeper_in_a_chunk_is_not_touched() -> None:
    machine = names()
    tail = {"created": 1, **UP}
    data = {"choices": [{"index": 0, "delta": {"content": "a"}, "raw": {"list": [], **tail}}], **tail}
    for _ in range(3):
        assert json.loads(through(json.dumps(data, separators=(",", ":")).encode(), machine)) == renamed(data)


def test_the_relay_names_streams_and_whole_answers() -> None:
    body = sse(chunk({"role": "assistant"}, **UP), chunk({"content": "a"}, **UP), chunk({}, "stop", **UP))
    machine = ChatRelay(names=names())
    out = payloads(machine.feed(body) + machine.finish())
    assert [json.loads(one)["model"] for one in out[:-1]] == [OURS["model"]] * 3
    assert {json.loads(one)["id"] for one in out[:-1]} == {OURS["id"]}
    whole = json.dumps({**UP, "choices": [{"message": {"content": UP["model"]}, "finish_reason": "stop"}]}).encode()
    said = json.loads(ChatRelay(names=names()).whole(whole)[0])
    assert (said["id"], said["model"]) == (OURS["id"], OURS["model"])
    assert said["choices"][0]["message"]["content"] == UP["model"]


def test_a_payload_of_several_lines_stays_one_event() -> None:
    spread = json.dumps(chunk({"content": "a"}, "stop", **UP), indent=1).encode()
    machine = ChatRelay(names=names())
    out = machine.feed(b"data: " + spread.replace(b"\n", b"\ndata: ") + b"\n\ndata: [DONE]\n\n")
    first = out.split(b"\n\n")[0]
    assert json.loads(b"\n".join(line[6:] for line in first.split(b"\n")))["model"] == OURS["model"]


@pytest.mark.parametrize("row", recordings("openai-chat-completions-stream"), ids=lambda row: row["path"])
def test_recorded_streams(row) -> None:
    data = recording(row["path"])
    before, after = (_objects(one.feed(data) + one.finish()) for one in (ChatRelay(), ChatRelay(names=names())))
    assert after == [renamed(one) for one in before]


def _objects(stream: bytes) -> list[Any]:
    found = []
    for block in stream.split(b"\n\n"):
        text = b"\n".join(line.removeprefix(b"data: ") for line in block.split(b"\n"))
        if text.startswith(b"{"):
            found.append(json.loads(text))
    return found


_VALUES = st.recursive(
    st.none() | st.integers() | st.text() | st.sampled_from(list(UP.values())),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "model", "choices", "a"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.permutations(list(FRONT)), min_size=1, max_size=2), st.lists(_VALUES, min_size=1, max_size=4))
def test_any_order_of_members_with_anything_in_the_choices(orders, values) -> None:
    machine = names()
    for order in orders:
        for value in values:
            given = {name: {**FRONT, "choices": [value]}[name] for name in order}
            out = json.loads(through(json.dumps(given, separators=(",", ":")).encode(), machine))
            assert out == renamed(given)
