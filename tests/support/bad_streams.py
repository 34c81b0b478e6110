"""Hypothesis strategies for chat streams as bad as they come: fields absent, null, of a wrong type or misplaced."""

from __future__ import annotations

import json
import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("PENSTOCK_EXAMPLES", "0"))
"""How many examples to try instead of the fixed few; with it they are random."""


def budget(examples: int) -> settings:
    """Returns settings for that many fixed examples, without a clock or a database."""
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


Objects = st.SearchStrategy[dict[str, Any]]


def fields(*, most: int = 4, **values: st.SearchStrategy[Any]) -> Objects:
    """Returns objects with up to `most` of the fields, now and then with junk in one."""
    right = [value.map(lambda it, name=name: (name, it)) for name, value in values.items()]
    wrong = st.tuples(st.sampled_from(list(values)), JUNK)
    pairs = st.lists(st.one_of(*right, *right, wrong), max_size=most)
    return st.deferred(lambda: pairs.map(dict))


JUNK: st.SearchStrategy[Any] = st.sampled_from([
    None, True, False, 0, -1, 3, 1.5, 1e300, 10**30, "", "x", " ", "\n", "\\", "null", [], [None], ["x"], [[]], [1],
    {}, {"x": None}, {"type": "text"}, {"text": 1},
])  # fmt: skip

TEXTS = st.sampled_from([
    "", " ", "\n\n", "a", "Hello", " world", '"quoted"', "\\", "{", "那", "\U0001f600", "\ud83d", "\ude00",
    "\ude00\ud83d", "\x00", "\u2028", "<think>", "</think>", "data: x\n\n", "é", "[DONE]", "x" * 300,
])  # fmt: skip

PIECES = st.sampled_from([
    "", " ", "{", "}", "{}", '{"a":1}', '{"a"', ":1}", '"', "\\", '{"input":"', '{"input":"ls\\n', "\\ud83d", "\\ude00",
    '"}', "]", '{"a":"}"}', "null", "1", "[", '{"command":["ls"]}', '{"commands":["ls"]}',
    '{"operation":{"type":"update_file","path":"a","diff":"+x"}}', '{"type":"create_file","path":"p","diff":"+x"}',
    '{"input":"x"}{"input":"y"}', "那", "x" * 300, "\ud83d",
])  # fmt: skip

TOOL_NAMES = ("get", "put", "patch", "shell", "local_shell", "apply_patch", "tool_search", "ns__get")
NAMES = st.sampled_from([*TOOL_NAMES, "", "get", "patch", None, 7, "g", "et", "no such tool", "x" * 200])
IDS = st.sampled_from(["call_a", "call_b", "call_c", "", None, "0", 0, "x" * 65, "x" * 64, "é", " ", {"id": 1}])
INDEXES = st.sampled_from([0, 0, 0, 1, 1, 2, None, -1, 7, "0", 1.0, 2**70, "x", [0]])

ARGUMENTS = st.one_of(PIECES, PIECES, PIECES, st.sampled_from([None, {"a": 1}, {"input": "x"}, [1], 5, True]))
FUNCTION = fields(name=NAMES, arguments=ARGUMENTS)
CUSTOM = fields(name=NAMES, input=TEXTS)
CALL = fields(index=INDEXES, id=IDS, type=st.sampled_from(["function", "custom"]), function=FUNCTION, custom=CUSTOM)
PLAIN_CALL = st.builds(
    lambda index, id, name, arguments: {"index": index, "id": id, "function": {"name": name, "arguments": arguments}},
    st.sampled_from([0, 0, 1, 2]),
    st.sampled_from(["call_a", "call_b", None, ""]),
    st.sampled_from([*TOOL_NAMES, None, ""]),
    PIECES,
)
CALLS = st.lists(st.one_of(CALL, PLAIN_CALL, PLAIN_CALL), max_size=3)

DETAIL_TYPES = st.sampled_from(["reasoning.text", "reasoning.summary", "reasoning.encrypted", "x"])
DETAILS = st.lists(
    fields(type=DETAIL_TYPES, text=TEXTS, summary=TEXTS, data=TEXTS, signature=TEXTS, index=INDEXES), max_size=2
)
THOUGHTS = st.one_of(TEXTS, st.lists(fields(type=st.just("text"), text=TEXTS), max_size=2))
TYPED = st.lists(
    fields(type=st.sampled_from(["text", "thinking", "image_url", "reference"]), text=TEXTS, thinking=THOUGHTS),
    max_size=2,
)
CITATION = fields(url=TEXTS, title=TEXTS, start_index=st.integers(-3, 9), end_index=st.integers(-3, 9))
ANNOTATIONS = st.lists(
    st.one_of(
        fields(type=st.sampled_from(["url_citation", "file_citation", "x"]), url_citation=CITATION, url=TEXTS),
        CITATION.map(lambda it: {"type": "url_citation", "url_citation": it}),
        JUNK,
    ),
    max_size=2,
)
TOKEN = fields(token=TEXTS, bytes=st.sampled_from([[1], [], None]), logprob=st.sampled_from([-0.5, 0, -9999]))
ENTRY = st.builds(lambda token, others: {**token, "top_logprobs": others}, TOKEN, st.lists(TOKEN, max_size=2))
LOGPROBS = fields(content=st.lists(st.one_of(ENTRY, JUNK), max_size=2), refusal=st.none())

DELTA = fields(
    role=st.just("assistant"),
    content=st.one_of(TEXTS, TEXTS, TYPED),
    refusal=TEXTS,
    reasoning_content=TEXTS,
    reasoning=st.one_of(TEXTS, fields(content=TEXTS, text=TEXTS)),
    reasoning_details=DETAILS,
    thinking=TEXTS,
    thinking_blocks=st.lists(fields(type=st.just("thinking"), thinking=TEXTS, signature=TEXTS), max_size=2),
    tool_calls=CALLS,
    function_call=FUNCTION,
    annotations=ANNOTATIONS,
    audio=fields(transcript=TEXTS),
)
SIMPLE_DELTA = st.one_of(
    TEXTS.map(lambda it: {"content": it}),
    TEXTS.map(lambda it: {"reasoning_content": it}),
    TEXTS.map(lambda it: {"refusal": it}),
    CALLS.map(lambda it: {"tool_calls": it}),
    ANNOTATIONS.map(lambda it: {"annotations": it}),
    st.just({}),
)
FINISH = st.sampled_from([
    None, None, None, None, "stop", "tool_calls", "length", "content_filter", "error", "abort", "eos", "", 7, {},
])  # fmt: skip
COUNT = st.sampled_from([0, 1, 17, None, -5, 2.0, "9", 10**25, True])
USAGE = st.one_of(
    JUNK,
    fields(
        prompt_tokens=COUNT,
        completion_tokens=COUNT,
        total_tokens=COUNT,
        prompt_tokens_details=fields(cached_tokens=COUNT, cache_write_tokens=COUNT),
        completion_tokens_details=fields(reasoning_tokens=COUNT),
        prompt_cache_hit_tokens=COUNT,
    ),
)
CODES = st.sampled_from([502, "429", "server_error", "x", "", None])
ERROR = st.one_of(JUNK, fields(message=TEXTS, type=TEXTS, code=CODES, param=TEXTS))
CHOICE = st.one_of(
    fields(index=INDEXES, delta=DELTA, message=DELTA, finish_reason=FINISH, logprobs=LOGPROBS, error=ERROR),
    st.builds(lambda delta, finish: {"index": 0, "delta": delta, "finish_reason": finish}, SIMPLE_DELTA, FINISH),
    st.builds(lambda delta: {"index": 0, "delta": delta, "finish_reason": None}, SIMPLE_DELTA),
    st.builds(lambda delta, logprobs: {"delta": delta, "logprobs": logprobs}, DELTA, LOGPROBS),
)
CHUNK = st.one_of(
    st.lists(CHOICE, max_size=2).map(lambda it: {"choices": it}),
    CHOICE.map(lambda it: {"choices": [it]}),
    CHOICE.map(lambda it: {"choices": [it], "usage": None}),
    fields(
        choices=st.lists(CHOICE, max_size=2),
        usage=USAGE,
        error=st.none(),
        id=TEXTS,
        model=TEXTS,
        created=JUNK,
        service_tier=TEXTS,
        citations=st.lists(st.one_of(TEXTS, JUNK), max_size=2),
        x_groq=fields(usage=USAGE),
    ),
    fields(choices=st.just([]), usage=USAGE),
)
FATAL = ERROR.map(lambda it: {"error": it})


def dump(value: Any) -> bytes:
    """Returns JSON; half surrogate pairs stay escapes."""
    return json.dumps(value).encode()


def _event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


ODD_FRAMES = st.sampled_from([
    b": keep-alive\n\n", b"data:\n\n", b"event: ping\ndata: {}\n\n", b'data: {"id":"x","choi\n\n', b"data: null\n\n",
    b"data: []\n\n", b"data: 5\n\n", b"data: \xff\xfe\n\n", b"retry: 3\n\n", b"id: 4\n\n", b"\r\n\r\n",
    b" data: {}\n\n", b'data: "x"\n\n', b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n\n',
    b'data: {"choices":[{"delta":{"content":"\\ude00"}}]}\n\n',
    b'data: {"choices":[{"delta":{"content":"dup","content":"licate"}}]}\n\n',
])  # fmt: skip
FRAMES = st.one_of(
    *(CHUNK.map(lambda it: _event(dump(it))) for _ in range(4)),
    CHUNK.map(lambda it: _event(json.dumps(it, ensure_ascii=False).encode("utf-8", "replace"))),
    ODD_FRAMES,
)
ENDS = st.one_of(
    st.sampled_from([
        b"data: [DONE]\n\n", b"data: [DONE]\n\n", b"", b"data: {\n\n" * 4, b"<html>502</html>", b"data: DONE\n\n",
    ]),
    FATAL.map(lambda it: _event(dump(it))),
    FATAL.map(lambda it: b"event: error\n" + _event(dump(it))),
    FATAL.map(lambda it: b"error: " + dump(it) + b"\n"),
    FATAL.map(lambda it: json.dumps(it, indent=1).encode()),
)  # fmt: skip
STREAMS = st.builds(
    lambda frames, end, behind: b"".join([*frames, end, *behind]),
    st.lists(FRAMES, max_size=9),
    ENDS,
    st.lists(FRAMES, max_size=1),
)
"""Bodies of chat streams."""

BODIES = st.one_of(
    CHUNK.map(dump),
    st.builds(
        lambda message, finish, usage: dump(
            {"choices": [{"message": message, "finish_reason": finish}], "usage": usage}
        ),
        DELTA,
        FINISH,
        USAGE,
    ),
    FATAL.map(dump),
    st.sampled_from([b"", b"<html>", b'{"choices":', b"\xff", b"null", b"[]", b"5"]),
)
"""Bodies of non-streamed answers."""
