"""Legacy completions and transcriptions on their way out: whole or streamed, cut anywhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import UpstreamGarbled
from proxy.guardrails.raw_answer import RawAnswer
from proxy.matching import Folding, Matcher, Word, Words

FOLDING = Folding(case_sensitive=False, normalize=True)
BLOCK = Matcher([Words([Word("banned")], FOLDING)], [None])
MASK = Matcher([Words([Word("banned")], FOLDING)], ["***"])
JSON, EVENTS = "application/json", "text/event-stream; charset=utf-8"


def whole(matcher: Matcher, value: Any, content_type: str = JSON) -> Any:
    answer = RawAnswer(matcher, content_type)
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    assert answer.feed(body[:7]) + answer.feed(body[7:]) == b""
    left = answer.finish()
    assert answer.done
    assert answer.finish() == answer.feed(b"more") == b""
    return left if isinstance(value, bytes) else json.loads(left)


def test_an_answer_in_which_nothing_is_found_is_passed_on_as_it_came() -> None:
    body = b'{"choices": [ {"text" : "fine", "logprobs":{"tokens":["fine"]}} ]}'
    assert whole(BLOCK, body) == body
    assert whole(BLOCK, b"1\n00:00 fine\n", "text/plain") == b"1\n00:00 fine\n"


def test_texts_are_masked_and_end_where_a_rule_blocks() -> None:
    told = {"choices": [{"text": "a Banned b", "logprobs": {"tokens": ["a", " banned"]}, "finish_reason": "stop"}]}
    assert whole(MASK, told)["choices"] == [{"text": "a *** b", "logprobs": None, "finish_reason": "stop"}]
    assert whole(BLOCK, told)["choices"] == [{"text": "a ", "logprobs": None, "finish_reason": "content_filter"}]
    heard = {
        "text": "a banned b",
        "segments": [{"id": 0, "text": "a ban"}, {"text": "ned b"}],
        "words": [{"word": "x"}],
    }
    assert whole(MASK, heard) == {"text": "a *** b", "segments": [], "words": []}
    assert whole(MASK, b"no banned thing", "text/plain") == b"no *** thing"


@pytest.mark.parametrize("choices", [["a banned b"], 5, {"a": "banned"}, [[{"text": "banned"}]]])
def test_answers_of_no_known_form_are_searched_all_the_same(choices: Any) -> None:
    for matcher in (MASK, BLOCK):
        assert "banned" not in json.dumps(whole(matcher, {"choices": choices, "text": "banned"}))
        assert b"banned" not in whole(matcher, b' "a banned b"')


def test_an_answer_that_cannot_be_read_is_searched_as_it_stands() -> None:
    for depth in (700, 100_000):
        assert b"banned" not in whole(MASK, b"[" * depth + b'"banned"' + b"]" * depth)


def test_tokens_that_were_not_chosen_are_searched() -> None:
    odds = {"tokens": ["fine"], "top_logprobs": [{" banned": -1.5, "fine": -0.5}]}
    told = {"choices": [{"index": 0, "text": "fine", "logprobs": odds, "finish_reason": "stop"}]}
    left = [whole(MASK, told), streamed(MASK, events(told), [])[1][0]]
    assert [one["choices"][0]["logprobs"]["top_logprobs"] for one in left] == [[{" ***": -1.5, "fine": -0.5}]] * 2
    assert "banned" not in json.dumps(whole(BLOCK, told))


def test_what_stands_beside_the_texts_of_a_stream_is_searched_too() -> None:
    chunk = {"choices": [{"index": 0, "text": "fine", "delta": {"content": "banned"}}], "x": {"y": "banned"}}
    left = streamed(MASK, events(chunk, piece(".", finish="stop")), [])[1]
    assert left[0]["choices"][0]["delta"] == {"content": "***"}
    assert left[0]["x"] == {"y": "***"}


def events(*chunks: Any) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks) + b"data: [DONE]\n\n"


def piece(text: str, index: int = 0, finish: str | None = None) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": index, "text": text, "logprobs": None, "finish_reason": finish}]}


def streamed(matcher: Matcher, data: bytes, cuts: list[int]) -> tuple[RawAnswer, list[Any]]:
    answer, out, at = RawAnswer(matcher, EVENTS), b"", 0
    for cut in [*sorted(cuts), len(data)]:
        out += answer.feed(data[at:cut])
        at = cut
    out += answer.finish()
    blocks = [block.rpartition(b"data: ")[2] for block in out.split(b"\n\n") if block]
    return answer, [block if block == b"[DONE]" else json.loads(block) for block in blocks]


def said(chunks: list[Any], index: int) -> str:
    choices = [one for chunk in chunks if isinstance(chunk, dict) for one in chunk["choices"]]
    return "".join(one["text"] for one in choices if one["index"] == index)


STREAM = events(piece("a ba"), piece("so ", 1), piece("nned b ban"), piece("ban", 1), piece("", 0, "stop"))


@given(st.lists(st.integers(0, len(STREAM)), max_size=6))
def test_streams_are_searched_choice_by_choice_wherever_they_are_cut(cuts: list[int]) -> None:
    answer, chunks = streamed(MASK, STREAM, cuts)
    assert (said(chunks, 0), said(chunks, 1)) == ("a *** b ban", "so ban")
    assert chunks[-1] == b"[DONE]"
    assert answer.found == {0}
    answer, chunks = streamed(BLOCK, STREAM, cuts)
    assert (said(chunks, 0), said(chunks, 1)) == ("a ", "so ban")
    reasons = [one["finish_reason"] for chunk in chunks[:-1] for one in chunk["choices"] if one["index"] == 0]
    assert reasons == [None, "content_filter"]


def test_a_stream_ends_at_once_when_every_choice_has() -> None:
    answer = RawAnswer(BLOCK, EVENTS)
    out = answer.feed(events(piece("banned"), piece("more"))[:-14])
    assert answer.done
    assert out.endswith(b"data: [DONE]\n\n")
    assert b"more" not in out
    assert answer.feed(events(piece("more"))) == answer.finish() == b""


def test_transcripts_are_searched_in_pieces_and_whole() -> None:
    deltas = [{"type": "transcript.text.delta", "delta": text} for text in ("a ba", "nned", " b ban")]
    done = {"type": "transcript.text.done", "text": "a banned b ban"}
    _, chunks = streamed(MASK, events(*deltas, done), [])
    assert "".join(chunk["delta"] for chunk in chunks if isinstance(chunk, dict) and "delta" in chunk) == "a *** b ban"
    assert [chunk["text"] for chunk in chunks if isinstance(chunk, dict) and "text" in chunk] == ["a *** b ban"]
    answer, chunks = streamed(BLOCK, events(*deltas, done), [])
    assert answer.done
    assert "".join(chunk["delta"] for chunk in chunks) == "a "


def test_events_that_are_no_json_are_an_error() -> None:
    with pytest.raises(UpstreamGarbled):
        RawAnswer(MASK, EVENTS).feed(b"data: {\n\n")
