import json

import msgspec
import pytest

from proxy.api.raw import given
from proxy.providers.gemini.chunk import Chunk, decode_chunk, decode_leniently, fitted
from tests.support.gemini import dumped, response


def test_a_response_is_read_and_what_is_passed_on_stays_json():
    chunk = decode_chunk(
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":  1.50},"id":"x"},'
        b'"thoughtSignature":"c2ln"}],"role":"model"},"finishReason":"STOP"}],"usageMetadata":{"totalTokenCount":3},'
        b'"modelVersion":"gemini-3"}'
    )
    (candidate,) = chunk.candidates
    (part,) = candidate.content.parts
    assert (part.function_call.name, part.function_call.id, part.thought_signature) == ("f", "x", "c2ln")
    assert bytes(part.function_call.args) == b'{"a":  1.50}'
    assert candidate.finish_reason == "STOP"
    assert bytes(chunk.usage_metadata) == b'{"totalTokenCount":3}'
    assert not given(chunk.error)


@pytest.mark.parametrize(
    "wrong",
    [
        {"candidates": [{"content": {"parts": [{"text": 5}, {"text": "kept"}]}}]},
        {"candidates": [{"content": {"parts": [{"text": "kept"}]}, "index": "first", "finishReason": 3}]},
        {"candidates": [7, {"content": {"parts": ["x", {"text": "kept", "thought": "yes"}]}}], "usageMetadata": []},
        {"candidates": [{"content": {"parts": [{"text": "kept"}]}}], "promptFeedback": "none"},
    ],
)
def test_what_fits_of_a_bad_response_is_kept(wrong):
    with pytest.raises(msgspec.ValidationError):
        decode_chunk(dumped(wrong))
    chunk = decode_leniently(dumped(wrong))
    texts = [part.text for one in chunk.candidates if one.content for part in one.content.parts]
    assert "kept" in texts
    assert all(text in (None, "kept") for text in texts)


def test_half_a_surrogate_pair_does_not_get_out():
    chunk = decode_leniently(b'{"candidates":[{"content":{"parts":[{"text":"a\\ud83d"}]}}]}')
    assert chunk.candidates[0].content.parts[0].text == "a\ufffd"


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[1]", b'"text"', b"5", b'{"candidates":'])
def test_what_is_no_json_object_is_nothing(body):
    assert decode_leniently(body) is None


@pytest.mark.parametrize("containers", [{"candidates": {}}, {"candidates": [{"content": []}]}])
def test_a_list_is_no_object_and_an_object_no_list(containers):
    chunk = decode_leniently(dumped(containers))
    assert chunk.candidates is None or chunk.candidates[0].content is None


def test_numbers_that_json_has_not_are_left_out_of_what_is_passed_on():
    chunk = fitted({"usageMetadata": {"a": 10**40}, "candidates": None}, Chunk)
    assert json.loads(bytes(chunk.usage_metadata)) == {"a": 10**40}
    assert chunk.candidates is None


def test_a_whole_response_fits_as_it_is():
    value = response({"text": "a"}, finish="STOP", usageMetadata={"totalTokenCount": 1})
    strict, lenient = decode_chunk(dumped(value)), fitted(value, Chunk)
    assert lenient.candidates[0].content == strict.candidates[0].content
    assert lenient.candidates[0].finish_reason == "STOP"
    assert bytes(lenient.usage_metadata) == bytes(strict.usage_metadata)
