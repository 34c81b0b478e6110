"""The count of tokens at the end of what is passed on."""

from __future__ import annotations

import json

import pytest

from proxy.server.passthrough_usage import UsageTail

CHAT = {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10}
RESPONSES = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7, "input_tokens_details": {"text_tokens": 3}}


def tail(*pieces: bytes) -> UsageTail:
    made = UsageTail()
    for piece in pieces:
        made.feed(piece)
    return made


def counted(*pieces: bytes) -> tuple[int, int] | None:
    usage = tail(*pieces).usage()
    return None if usage is None else (usage.input_tokens, usage.output_tokens)


@pytest.mark.parametrize(("usage", "found"), [(CHAT, (8, 2)), (RESPONSES, (3, 4)), ({**CHAT, "x": {"y": 1}}, (8, 2))])
def test_behind_much_else(usage: dict[str, int], found: tuple[int, int]) -> None:
    body = json.dumps({"data": [[0.5] * 9000], "usage": usage, "model": "m"}).encode()
    assert counted(body) == found
    assert counted(*(body[at : at + 7] for at in range(0, len(body), 7))) == found


def test_the_last_one_of_a_stream_counts() -> None:
    events = [{"usage": None}, {"usage": CHAT}, {"usage": {**CHAT, "completion_tokens": 5, "total_tokens": 13}}]
    body = b"".join(b"data: %b\n\n" % json.dumps(one).encode() for one in events) + b"data: [DONE]\n\n"
    assert counted(body) == (8, 5)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b'{"usage": null}',
        b'{"usage": {}}',
        b'{"usage": {"prompt_tokens": 1',
        b'{"usage": {"total_tokens": "x"}}',
        b'{"text": "say \\"usage\\": {\\"prompt_tokens\\": 5, \\"total_tokens\\": 5}"}',
        b'{"usage":' + b'{"a":' * 3000,
    ],
)
def test_where_there_is_none(body: bytes) -> None:
    assert counted(body) is None


def test_no_more_than_the_end_is_kept() -> None:
    made = tail(b"x" * 1_000_000, *[b"y" * 100] * 100)
    assert len(made._tail) == 4096


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_pieces_are_counted_wherever_the_network_cuts(size: int) -> None:
    body = b'data: {"choices":[]}\n\n' * 20
    made = tail(*(body[at : at + size] for at in range(0, len(body), size)))
    usage = made.estimate(7)
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens, usage.estimated) == (7, 20, 27, True)
