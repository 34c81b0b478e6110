"""Whatever Gemini sends, the client gets one legal stream; and what is well-formed in it arrives unchanged."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.api.chat.encoder import ChatEncoder
from proxy.api.responses.encoder_options import EncoderOptions
from proxy.providers.gemini.state import sealer
from tests.support.asked import SEALING, output, request
from tests.support.bad_streams import ARGUMENTS, JUNK, TEXTS, budget, fields
from tests.support.fixtures import recording, recordings
from tests.support.gemini import MODEL, build, decoder, dumped, response, translate, translate_whole
from tests.support.grammar import Profile, check_response, check_stream
from tests.support.machines import Setup
from tests.support.sdk_types import check_event, check_object
from tests.support.strict_gemini import check

RECORDED = [row["path"] for row in recordings("gemini-generate-content-stream")]
LOOSE = Profile(hosted=True, exact_fields=False)

NAMES = st.sampled_from(["get", "put", "", None, 5, "x" * 200, "no such tool"])
IDS = st.sampled_from(["a", "a", "b", "", None, 0, "x" * 64, "x" * 65, "é"])
SIGNATURES = st.sampled_from(["c2ln", "c2ln", "", None, 5])
ARGS = st.one_of(ARGUMENTS, st.dictionaries(st.sampled_from(["a", "é", ""]), JUNK, max_size=2))
PATHS = st.sampled_from(["$.a", "$.a", "$.b[0]", "$.b[2].c", "$", "", "$.b", "$['x y']", 5, None])
PARTIAL = fields(
    jsonPath=PATHS, stringValue=TEXTS, numberValue=JUNK, boolValue=st.booleans(), willContinue=st.booleans()
)
CALLS = fields(
    name=NAMES, args=ARGS, id=IDS, partialArgs=st.lists(PARTIAL, max_size=3), willContinue=st.booleans(), most=5
)
PARTS = st.one_of(
    fields(text=TEXTS, thought=st.booleans(), thoughtSignature=SIGNATURES),
    fields(text=TEXTS),
    fields(functionCall=CALLS, thoughtSignature=SIGNATURES),
    fields(executableCode=fields(code=TEXTS, id=IDS, language=NAMES), thoughtSignature=SIGNATURES),
    fields(codeExecutionResult=fields(outcome=NAMES, output=TEXTS, id=IDS)),
    fields(inlineData=fields(mimeType=st.sampled_from(["image/png", "audio/wav", "", None]), data=TEXTS)),
    fields(toolCall=fields(toolType=st.sampled_from(["GOOGLE_SEARCH_WEB", "X", 5]), args=JUNK), toolResponse=JUNK),
    JUNK,
)
SEGMENTS = fields(startIndex=st.integers(-5, 500), endIndex=st.integers(-5, 500), text=TEXTS)
SOURCES = fields(web=fields(uri=st.sampled_from(["https://a.example/", "", None]), title=TEXTS))
SUPPORTS = fields(segment=SEGMENTS, groundingChunkIndices=st.lists(st.integers(-1, 3), max_size=3))
CITED = fields(uri=TEXTS, startIndex=st.integers(), endIndex=JUNK)
GROUNDING = fields(
    groundingChunks=st.lists(SOURCES, max_size=2),
    groundingSupports=st.lists(SUPPORTS, max_size=2),
)
REASONS = st.sampled_from([
    "STOP", "STOP", "STOP", "MAX_TOKENS", "SAFETY", "MALFORMED_FUNCTION_CALL", "OTHER", "NEW", "", None, 5,
])  # fmt: skip
CANDIDATES = fields(
    content=fields(parts=st.lists(PARTS, max_size=4), role=NAMES),
    finishReason=REASONS,
    index=st.sampled_from([0, 0, 0, 1, None, "0", -1]),
    groundingMetadata=GROUNDING,
    citationMetadata=fields(citationSources=st.lists(CITED, max_size=2)),
    most=5,
)
COUNTS = st.integers(-3, 10**12)
CHUNKS = fields(
    candidates=st.lists(CANDIDATES, max_size=2),
    usageMetadata=fields(promptTokenCount=COUNTS, candidatesTokenCount=COUNTS, thoughtsTokenCount=COUNTS),
    promptFeedback=fields(blockReason=st.sampled_from(["SAFETY", "", None, 5])),
    error=st.sampled_from([None, None, None, None, {"code": 503, "message": "busy"}, "x", [], {}]),
)
ODD_FRAMES = [
    b"data: \n\n", b": ping\n\n", b"data: {\n\n", b"nonsense\n", b'{"error":{"code":429}}\n', b"data: [DONE]\n\n",
]  # fmt: skip
GOOD_CALLS = st.builds(
    lambda name, args, id: {"functionCall": {"name": name, "args": args, **({"id": id} if id else {})}},
    st.sampled_from(["get", "put"]),
    st.sampled_from([{}, {"a": 1}, {"é": ["x"]}]),
    st.sampled_from(["", "", "a", "b", "call_x"]),
)
PIECES = st.builds(
    lambda name, args, more: {"functionCall": {"partialArgs": args, **name, **more}},
    st.sampled_from([{}, {}, {"name": "get"}]),
    st.lists(PARTIAL, max_size=2),
    st.sampled_from([{}, {"willContinue": True}]),
)
GOOD_PARTS = st.one_of(
    TEXTS.map(lambda text: {"text": text}),
    TEXTS.map(lambda text: {"text": text, "thought": True}),
    GOOD_CALLS,
    PIECES,
    st.just({"executableCode": {"code": "1", "id": "c"}}),
    st.just({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1", "id": "c"}}),
    st.just({"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": ["a"]}}}),
    PARTS,
)
SIGNED = st.builds(
    lambda part, signature: {**part, "thoughtSignature": signature} if signature and isinstance(part, dict) else part,
    GOOD_PARTS,
    st.sampled_from([None, None, "c2ln"]),
)
GOOD = st.lists(SIGNED, min_size=1, max_size=3).map(lambda parts: response(*parts))
ENDS = REASONS.map(lambda reason: response(finish=reason))
FRAMES = st.one_of(
    *(GOOD.map(lambda chunk: b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n") for _ in range(6)),
    CHUNKS.map(lambda chunk: b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n"),
    CHUNKS.map(lambda chunk: b"data: " + json.dumps(chunk, ensure_ascii=False).encode("utf-8", "replace") + b"\n\n"),
    st.sampled_from(ODD_FRAMES),
)
STREAMS = st.builds(
    lambda frames, ends: b"".join([*frames, *(b"data: " + json.dumps(end).encode() + b"\n\n" for end in ends)]),
    st.lists(FRAMES, max_size=6),
    st.lists(ENDS, max_size=1),
)
SETUPS = st.builds(
    lambda reasoning, sealed: Setup(
        options=EncoderOptions(reasoning=reasoning), seal=sealer("gemini", MODEL, SEALING) if sealed else None
    ),
    st.sampled_from(["content", "summary", "drop"]),
    st.booleans(),
)


@budget(150)
@given(raw=STREAMS, setup=SETUPS, seed=st.integers(0, 3))
def test_every_output_is_legal_and_the_same_in_any_pieces(raw: bytes, setup: Setup, seed: int) -> None:
    setup.seal = setup.seal and (lambda state, text: json.dumps(state))
    produced = translate(raw, setup=setup)
    said = check_stream(produced, profile=LOOSE)
    for event in said.events:
        check_event(event)
    dice = random.Random(seed)
    cuts = sorted(dice.sample(range(1, max(2, len(raw))), min(6, max(1, len(raw) - 1))))
    assert translate(raw, cuts, setup) == produced


@budget(60)
@given(raw=STREAMS, cut=st.floats(0, 1))
def test_a_stream_that_just_stops_is_told_to_the_end(raw: bytes, cut: float) -> None:
    check_stream(translate(raw[: int(len(raw) * cut)]), profile=LOOSE)


@budget(100)
@given(body=st.one_of(CHUNKS, st.lists(CHUNKS, max_size=3), JUNK))
def test_every_whole_body_gives_a_legal_response(body: Any) -> None:
    final = check_response(translate_whole(json.dumps(body).encode()), LOOSE)
    check_object(final)


@budget(60)
@given(raw=STREAMS)
def test_chat_clients_get_json_and_one_end(raw: bytes) -> None:
    encoder, machine = ChatEncoder(id="chatcmpl-1", model="m", created=1), decoder()
    payloads = [(b"", block.removeprefix(b"data: ")) for block in raw.replace(b"\r", b"").split(b"\n\n") if block]
    out = encoder.begin() + encoder.encode(machine.feed(payloads) + machine.finish())
    assert encoder.done
    for line in out.split(b"\n"):
        if line.startswith(b"data: {"):
            json.loads(line[6:])
    json.loads(encoder.final())


@budget(100)
@given(raw=STREAMS, model=st.sampled_from([MODEL, "gemini-2.5-flash"]))
def test_whatever_was_said_can_be_sent_back(raw: bytes, model: str) -> None:
    setup = Setup(seal=sealer("gemini", MODEL, SEALING))
    said = check_stream(translate(raw, setup=setup), profile=LOOSE)
    items = [item for item in said.output if item["type"] != "function_call" or item["status"] == "completed"]
    outputs = [output(item["call_id"]) for item in items if item["type"] == "function_call"]
    built = build(request(input=[{"role": "user", "content": "?"}, *items, *outputs]), model)
    for part in (part for content in built.contents for part in content["parts"]):
        if "thoughtSignature" in part:
            part["thoughtSignature"] = "c2ln"  # nonsense that the upstream has signed with is its own affair
    check(built.body, signed=model == MODEL)


WELL = st.lists(
    st.one_of(
        st.tuples(st.just("text"), st.sampled_from(["a", "Hello ", "那\U0001f600", "\n\n"])),
        st.tuples(st.just("thought"), st.sampled_from(["hm", "**So**\n\n"])),
        st.tuples(st.just("call"), st.sampled_from(["{}", '{"a":1}', '{"b":["é"]}'])),
    ),
    max_size=8,
)


@budget(200)
@given(story=WELL, signed=st.booleans())
def test_a_well_formed_answer_arrives_unchanged(story: list[tuple[str, str]], signed: bool) -> None:
    chunks = []
    for kind, value in story:
        part: dict[str, Any] = {"text": value}
        if kind == "thought":
            part["thought"] = True
        elif kind == "call":
            part = {"functionCall": {"name": "f", "args": json.loads(value)}}
        if signed:
            part["thoughtSignature"] = "c2ln"
        chunks.append(response(part))
    raw = b"".join(b"data: " + dumped(chunk) + b"\n\n" for chunk in [*chunks, response(finish="STOP")])
    said = check_stream(translate(raw, setup=Setup(seal=lambda state, text: "sealed")))
    assert said.text == "".join(value for kind, value in story if kind == "text")
    assert said.reasoning == "".join(value for kind, value in story if kind == "thought")
    assert [json.loads(arguments) for _, arguments in said.calls] == [
        json.loads(value) for kind, value in story if kind == "call"
    ]
    assert said.response["status"] == "completed"


@pytest.mark.parametrize("path", RECORDED)
def test_damaged_recordings_give_legal_streams(path: str) -> None:
    dice = random.Random(path)
    events = recording(path).split(b"\r\n\r\n" if b"\r\n" in recording(path) else b"\n\n")
    for _ in range(6):
        damaged = list(events)
        place = dice.randrange(len(damaged))
        moved = damaged.pop(place)
        if dice.random() < 0.5:
            damaged.insert(dice.randrange(len(damaged) + 1), moved)
        check_stream(translate(b"\n\n".join(damaged)), profile=LOOSE)
