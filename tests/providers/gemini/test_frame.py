import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.events import TextDelta
from proxy.providers.gemini.frame import LearnedFrame
from proxy.sse.parser import SseParser
from tests.support.bad_streams import TEXTS, budget
from tests.support.fixtures import recording, recordings
from tests.support.gemini import decoder, framed, response

COUNTS = {"promptTokenCount": 7, "candidatesTokenCount": 12, "totalTokenCount": 19}


def event(text, counts=COUNTS, end=b"\r\n\r\n", **more):
    answer = {**response({"text": text}), "usageMetadata": counts, "modelVersion": "gemini-3", **more}
    return b"data: " + json.dumps(answer).encode() + end


def learned(read, text):
    frame = LearnedFrame()
    frame.learn(read, text)
    return frame


@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\n\n"])
def test_another_text_with_other_counts_is_recognised(end):
    frame = learned(event("Hello", end=end), "Hello")
    assert frame.text(event(" wörld\n", {**COUNTS, "candidatesTokenCount": 4711}, end=end)) == " wörld\n"


@pytest.mark.parametrize(
    "read",
    [
        event("b").replace(b"\r\n\r\n", b"\n\n"),
        event("b", {**COUNTS, "thoughtsTokenCount": 1}),
        event("b", {}),
        event("b", responseId="x"),
        event("b").replace(b'"index": 0', b'"index": 1'),
        event("b").replace(b'"role": "model"', b'"role": "user"'),
        event("b").replace(b'"index": 0', b'"index": 0, "finishReason": "STOP"'),
        event("b").replace(b'"}]', b'", "thought": true}]'),
        event("b").replace(b'"}]', b'", "thoughtSignature": "x"}]'),
        event("b").replace(b'"}]', b'"}, {"text": "c"}]'),
        event("b") + event("c"),
        event("b")[:-1],
        event("b")[1:],
        event("\ud83d"),
        b"data: {}\r\n\r\n",
        b"",
    ],
)
def test_what_differs_in_anything_else_is_not(read):
    assert learned(event("Hello"), "Hello").text(read) == ""


@pytest.mark.parametrize(
    "text", ['"', '"}]', "\\", '\\"}],"role": "model"}', '"}],"role": "model"},"index": 0}],', "}]}"]
)
def test_text_that_looks_like_what_stands_behind_it(text):
    assert learned(event("Hello"), "Hello").text(event(text)) == text


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (event("a", end=b"\n"), "a"),
        (event("a") + event("b"), "a"),
        (framed(response({"text": "a"})), "a"),
        (event("a").replace(b'"text": "a"', b'"text": "a", "thought": true'), "a"),
        (event("a").replace(b'"text": "a"', b'"text": "\\u0061"'), "a"),
        (event("a").replace(b'"candidates"', b'"x": {"text": "a"}, "candidates"'), "a"),
        (b": comment\n" + event("a"), "a"),
    ],
)
def test_what_cannot_be_learned_is_not(read, text):
    assert learned(read, text).prefix is None


def test_servers_whose_responses_all_differ_are_left_alone():
    frame = LearnedFrame()
    for number in range(8):
        frame.learn(event("a", responseId=str(number)), "a")
        assert frame.prefix is not None
    assert frame.patience == 0
    frame.learn(event("a"), "a")
    assert frame.prefix is None


def events_of(reads, *, quick):
    """Returns the events for reads, taken as the engine takes them, or each one parsed."""
    machine, parser = decoder(), SseParser()
    events, known = [], 0
    for read in reads:
        text = machine.text_of(read) if quick else ""
        if text:
            known += 1
            events.append(TextDelta(text))
            continue
        made = machine.feed(parser.feed(read))
        if quick and len(made) == 1 and type(made[0]) is TextDelta:
            machine.learn(read, made[0].text)
        events += made
    return [*events, *machine.feed(parser.finish()), *machine.finish()], known


@pytest.mark.parametrize("path", [row["path"] for row in recordings("gemini-generate-content-stream")])
def test_recordings_say_the_same_whether_recognised_or_parsed(path):
    reads = [b"data: " + one for one in recording(path).split(b"data: ") if one]
    quick, known = events_of(reads, quick=True)
    plain, _ = events_of(reads, quick=False)
    assert str(quick) == str(plain)
    if path == "vertex/stream-thoughts.sse":
        assert known == 25


def test_a_stream_that_is_recognised_counts_its_tokens():
    reads = [event(f"{n} ", {**COUNTS, "candidatesTokenCount": n, "totalTokenCount": 7 + n}) for n in range(20)]
    end = framed(response({"text": ""}, finish="STOP"))
    for ending in ([end], [], [event("x").replace(b'"index": 0', b'"index": 0, "finishReason": "STOP"'), end]):
        quick, known = events_of([*reads, *ending], quick=True)
        plain, _ = events_of([*reads, *ending], quick=False)
        assert str(quick) == str(plain)
        assert known == 19


VARIED = st.lists(
    st.tuples(
        TEXTS.filter(bool), st.integers(0, 10**6), st.sampled_from(["", "", "", "x", "thought", "signed", "stop"])
    ),
    max_size=8,
)


@budget(80)
@given(story=VARIED)
def test_whatever_is_mixed_in_the_events_are_the_same(story):
    reads = []
    for text, count, kind in story:
        part = {"text": text}
        if kind == "thought":
            part["thought"] = True
        elif kind == "signed":
            part["thoughtSignature"] = "c2ln"
        answer = response(part, finish="STOP" if kind == "stop" else None)
        more = {"responseId": "x"} if kind == "x" else {}
        reads.append(framed({**answer, "usageMetadata": {**COUNTS, "promptTokenCount": count}, **more}))
    assert str(events_of(reads, quick=True)[0]) == str(events_of(reads, quick=False)[0])
