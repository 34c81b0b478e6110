"""Where the network cuts a stream makes no difference: the same bytes in any pieces give the same events."""

from __future__ import annotations

import random

import pytest

from tests.support.fixtures import needs_shared, recording, recordings
from tests.support.grammar import check_stream
from tests.support.machines import DONE, call, chunk, translate

PATHS = [row["path"] for row in recordings("openai-chat-completions-stream")]
SHORT = [path for path in PATHS if len(recording(path)) < 4000]
LONG = [path for path in PATHS if path not in SHORT]

AWKWARD = (
    b"\xef\xbb\xbf: hello\r\n\r\nevent: message\r\n"
    + chunk({"role": "assistant", "content": ""})
    + b"retry: 10\nid: 7\r"
    + chunk({"reasoning": "那\U0001f600"}).replace(b"\n", b"\r")
    + 'data:{"choices":[{"delta":{"content":"naïve 那\U0001f600"}}]}\r\n\r\n'.encode()
    + b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n\n'
    + b'data: {"choices":[{"delta":{"content":"\\ude00\\""}}]}\n\n'
    + b'data: {"choices":\ndata: [{"delta":{"content":"two lines"}}]}\n\n'
    + chunk(call(0, "call_a", "get", '{"a"'))
    + chunk(call(1, "call_b", "put", '{"b":'))
    + b": ping\n\ndata:\n\n"
    + chunk(call(0, arguments=":1}"))
    + chunk(call(1, arguments="2}"), "tool_calls")
    + DONE
)
"""All kinds of framing, multi-byte characters and a surrogate pair over two chunks, in one stream."""

ENDINGS = {
    "no blank line at the end": chunk({"content": "a"}) + chunk({}, "stop").rstrip(b"\n"),
    "an error line": chunk({"content": "a"}) + b'error: {"error":{"message":"broke"}}\n',
    "an unframed error": chunk({"content": "a"}) + b'{\n "error": {"message": "broke",\n "code": 429}\n}\n',
    "an error event": chunk({"content": "a"}) + b'event: error\ndata: {"error":{"message":"broke"}}\n\n',
    "a broken payload": chunk({"content": "a"}) + b'data: {"id":"x","choi\n\n' + chunk({"content": "b"}, "stop") + DONE,
}


def every_cut(raw: bytes, *, step: int = 1) -> None:
    """Cuts the bytes in two at every place (or each `step` places), and into single bytes."""
    expected = translate(raw)
    assert translate(raw, range(1, len(raw))) == expected
    for cut in range(1 + len(raw) % step, len(raw), step):
        assert translate(raw, (cut,)) == expected, f"cut behind {raw[max(0, cut - 60) : cut]!r}"


@pytest.mark.parametrize("path", SHORT)
def test_a_short_stream_cut_all_over(path: str) -> None:
    every_cut(recording(path), step=5)  # another remainder in each: every byte of a frame that they share


@pytest.mark.parametrize("name", ENDINGS)
def test_an_odd_end_cut_at_every_byte(name: str) -> None:
    every_cut(ENDINGS[name])


def test_awkward_framing_says_what_it_says() -> None:
    said = check_stream(translate(AWKWARD))
    assert said.reasoning == "那\U0001f600"
    assert said.text == 'naïve 那\U0001f600\U0001f600"two lines'
    assert said.calls == [("get", '{"a":1}'), ("put", '{"b":2}')]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
def test_awkward_framing_cut_at_every_byte(ending: bytes) -> None:
    raw = AWKWARD.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", ending)
    assert translate(raw) == translate(AWKWARD)
    every_cut(raw)


def test_awkward_framing_of_mixed_line_ends_cut_at_every_byte() -> None:
    every_cut(AWKWARD)


@pytest.mark.parametrize("path", LONG)
def test_a_long_stream_cut_at_200_places_and_byte_by_byte(path: str) -> None:
    raw = recording(path)
    expected = translate(raw)
    for seed in range(2):
        cuts = sorted(random.Random(f"{path} {seed}").sample(range(1, len(raw)), 200))
        assert translate(raw, cuts) == expected, f"seed {seed}"
    if len(raw) < 40_000:
        assert translate(raw, range(1, len(raw))) == expected


@needs_shared
def test_every_stream_is_cut() -> None:
    assert len(SHORT) >= 10
    assert len(SHORT) + len(LONG) == 61
