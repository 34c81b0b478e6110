import msgspec

from bench.codex_like import captured, codex_like
from proxy.api.responses.request import ResponsesRequest


def test_the_request_is_about_as_large_as_asked_and_is_served():
    for size in (30_000, 40_000, 200_000):
        body = codex_like(size)
        assert size <= len(body) < size + 3000
        request = ResponsesRequest.parse(body)
        request.validate()
        kinds = {item["type"] for item in msgspec.json.decode(body)["input"]}
        assert {"message", "reasoning", "function_call", "function_call_output"} <= kinds


def test_captured_requests_are_bodies_of_requests_for_an_answer():
    assert all("model" in msgspec.json.decode(body) for body in captured())
