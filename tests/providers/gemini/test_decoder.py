import json
import timeit

import pytest

from proxy.errors import UpstreamCut, UpstreamGarbled, UpstreamRefused, UpstreamStreamError
from proxy.events import Annotation, Finish, ReasoningDelta, TextDelta, UpstreamFailed, Usage
from proxy.providers.chat.decoder import ChatDecoder
from tests.support.gemini import STOP, decode, decoder, dumped, framed, response, whole
from tests.support.machines import chunk

HELLO = response({"text": "Hello"})
USAGE = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}


def test_the_last_counts_are_told_with_the_end():
    early = response({"text": "a"}, usageMetadata={"promptTokenCount": 3, "totalTokenCount": 3})
    last = response({"text": "b"}, finish="STOP", usageMetadata={**USAGE, "serviceTier": "flex"})
    assert decode(early, last) == [
        TextDelta("a"),
        TextDelta("b"),
        Usage(input_tokens=3, output_tokens=2, total_tokens=5),
        Finish("stop", "flex"),
    ]


def test_nothing_has_ended_before_the_body_has():
    machine = decoder()
    machine.feed([(b"", dumped(response({"text": "a"}, finish="STOP")))])
    assert not machine.done
    assert machine.feed([(b"", dumped(response({"text": "b"}, finish="STOP")))]) == [TextDelta("b")]
    assert machine.finish() == [Finish("stop")]
    assert machine.done


@pytest.mark.parametrize(
    ("reasons", "finish"),
    [
        (["MAX_TOKENS"], "length"),
        (["STOP", "STOP", "SAFETY"], "content_filter"),
        (["RECITATION", "STOP"], "content_filter"),
        (["OTHER"], "stop"),
        (["SOMETHING_NEW"], "stop"),
    ],
)
def test_how_it_ended(reasons, finish):
    assert decode(*(response({"text": "a"}, finish=reason) for reason in reasons))[-1] == Finish(finish)


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "OTHER", "SOMETHING_NEW"])
def test_an_answer_that_failed_is_no_empty_success(reason):
    events = decode(response(finish=reason, usageMetadata=USAGE))
    assert [type(event) for event in events] == [Usage, UpstreamFailed]
    assert isinstance(events[-1].error, UpstreamStreamError)
    assert reason in str(events[-1].error)


def test_a_failed_finish_fails_also_what_was_said_before():
    assert isinstance(decode(HELLO, response(finish="MALFORMED_FUNCTION_CALL"))[-1], UpstreamFailed)


def test_an_answer_may_be_empty_if_the_model_says_so():
    assert decode(STOP) == [Finish("stop")]


BLOCKED = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": USAGE}


def test_a_refused_prompt_is_an_answer_that_a_filter_ended():
    assert decode(BLOCKED)[-1] == Finish("content_filter")


def test_a_refused_prompt_that_comes_whole_is_the_clients_mistake():
    error = whole(BLOCKED)[-1].error
    assert isinstance(error, UpstreamRefused)
    assert (error.status, error.code) == (400, "content_filter")


def test_feedback_without_a_reason_says_nothing():
    assert decode({**HELLO, "promptFeedback": {"safetyRatings": []}}, STOP)[-1] == Finish("stop")


@pytest.mark.parametrize(
    "error",
    [
        dumped({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}),
        (b"unframed", b'{\n  "error": {\n    "code": 503, "message": "busy"\n  }\n}'),
        (b"unframed", b'[{"error":{"code":503,"message":"busy"}}]'),
        (b"error", b'{"error":{"code":503,"message":"busy"}}'),
        (b"error", b'{"code":503,"message":"busy"}'),
    ],
    ids=["in an event", "bare", "bare in a list", "named", "named and flat"],
)
@pytest.mark.parametrize("finish", [None, "STOP"])
def test_an_error_fails_the_answer_wherever_it_comes(error, finish):
    events = decode(response({"text": "Hello"}, finish=finish), error)
    assert events[0] == TextDelta("Hello")
    assert (str(events[-1].error), events[-1].error.status) == ("busy", 503)


def test_a_body_that_stops_in_the_middle_is_cut():
    assert isinstance(decode(HELLO)[-1].error, UpstreamCut)
    assert isinstance(decode()[-1].error, UpstreamCut)


def test_counts_are_told_also_of_an_answer_that_failed():
    assert decode({**HELLO, "usageMetadata": USAGE})[1:-1] == [Usage(input_tokens=3, output_tokens=2, total_tokens=5)]


@pytest.mark.parametrize("nothing", [b"", b"  ", b"[DONE]", b"{}", b'{"candidates":[]}', b'{"candidates":null}'])
def test_payloads_that_say_nothing(nothing):
    assert decode(HELLO, nothing, STOP) == [TextDelta("Hello"), Finish("stop")]


def test_a_payload_that_is_no_json_is_skipped_and_three_in_a_row_are_not():
    assert decode(b"nonsense", HELLO, b"{", b"nonsense", STOP) == [TextDelta("Hello"), Finish("stop")]
    assert isinstance(decode(HELLO, b"{", b"x", b"[", STOP)[-1].error, UpstreamGarbled)
    assert decode(HELLO, STOP, b"{", b"x", b"y")[-1] == Finish("stop")


def test_a_sloppy_response_is_read_as_far_as_it_fits():
    sloppy = {"candidates": [{"content": {"parts": [{"text": "a"}, {"text": 5}]}, "index": "0"}], "usageMetadata": []}
    assert decode(sloppy, STOP) == [TextDelta("a"), Finish("stop")]


def test_only_the_first_answer_is_read():
    both = {"candidates": [{"content": {"parts": [{"text": "b"}]}, "index": 1}, *HELLO["candidates"]]}
    assert decode(both, STOP)[0] == TextDelta("Hello")


def test_a_whole_answer():
    answer = response({"text": "hm", "thought": True}, {"text": "Hello"}, finish="STOP", usageMetadata=USAGE)
    assert whole(json.dumps(answer, indent=2).encode() + b"\n") == [
        ReasoningDelta("hm", summary=True),
        TextDelta("Hello"),
        Usage(input_tokens=3, output_tokens=2, total_tokens=5),
        Finish("stop"),
    ]


def test_a_stream_that_came_as_one_array():
    events = [TextDelta("Hello"), Finish("stop")]
    assert whole([HELLO, STOP]) == events
    assert decode((b"unframed", dumped([HELLO, STOP]))) == events
    assert decode(dumped([HELLO, STOP])) == events


@pytest.mark.parametrize("body", [b"", b"oops", b"5", b"[1", b'{"candidates":', b"<html>"])
def test_a_body_that_is_no_json(body):
    assert isinstance(whole(body)[-1].error, UpstreamGarbled)


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"candidates":[]}', b'{"candidates":[{"content":{}}]}'])
def test_a_body_without_an_answer(body):
    assert str(whole(body)[-1].error) == "The upstream ended without an answer."


def test_a_whole_answer_without_a_finish_reason_is_one_if_it_says_something():
    assert whole(HELLO)[-1] == Finish("stop")


def test_an_error_as_a_whole_answer():
    assert str(whole({"error": {"code": 500, "message": "broke"}})[-1].error) == "broke"


def test_an_unframed_text_is_an_answer_of_nobody():
    assert isinstance(decode((b"unframed", b"Bad Gateway"))[-1].error, UpstreamGarbled)
    assert decode(HELLO, STOP, (b"unframed", b"bye"))[-1] == Finish("stop")


def test_events_under_names():
    assert decode((b"ping", b"{}"), (b"message", dumped(HELLO)), STOP)[0] == TextDelta("Hello")


def test_logprobs_go_with_the_text_they_are_of():
    answer = response({"text": "a"})
    answer["candidates"][0]["logprobsResult"] = {"chosenCandidates": [{"token": "a", "logProbability": -1}]}
    assert decode(answer, STOP)[0].logprobs == [{"token": "a", "bytes": [97], "logprob": -1.0, "top_logprobs": []}]


def test_citations_are_told_behind_the_text_and_the_last_grounding_counts():
    def grounded(text, *uris, finish=None):
        answer = response({"text": text}, finish=finish)
        chunks = [{"web": {"uri": uri}} for uri in uris]
        answer["candidates"][0]["groundingMetadata"] = {"groundingChunks": chunks} if uris else {}
        return answer

    events = decode(
        grounded("a", "https://old.example/"), grounded("b", "https://a.example/"), grounded("", finish="STOP")
    )
    assert [event.annotation["url"] for event in events if isinstance(event, Annotation)] == ["https://a.example/"]
    assert isinstance(events[-2], Annotation)


def test_searches_are_counted_with_the_tokens():
    answer = {**response({"text": "a"}, finish="STOP"), "usageMetadata": USAGE}
    answer["candidates"][0]["groundingMetadata"] = {"webSearchQueries": ["x", "y"]}
    assert [event.searches for event in decode(answer) if isinstance(event, Usage)] == [2]
    older = decoder("gemini/gemini-2.5-flash").whole(dumped(answer))
    assert [event.searches for event in older if isinstance(event, Usage)] == [1]


def test_pages_that_google_opened_are_told_behind_the_text():
    answer = response({"text": "a"}, finish="STOP")
    answer["candidates"][0]["urlContextMetadata"] = {"urlMetadata": [{"retrievedUrl": "https://a.example/"}]}
    text, page, finish = decode(answer, response({"text": ""}))
    assert (text, finish) == (TextDelta("a"), Finish("stop"))
    assert page.item["action"] == {"type": "open_page", "url": "https://a.example/"}


def test_citations_need_a_text():
    answer = response(finish="STOP")
    answer["candidates"][0]["groundingMetadata"] = {"groundingChunks": [{"web": {"uri": "https://a.example/"}}]}
    assert decode(answer) == [Finish("stop")]


def test_a_delta_costs_at_most_twice_that_of_a_chat_upstream():
    text = {"modelVersion": "gemini-3-flash-preview", "responseId": "g1P6aZnMMZq5qtsPj9fyuQ8"}
    counts = {**USAGE, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 3}], "thoughtsTokenCount": 9}
    ours = (b"", framed({**response({"text": " is a word"}), "usageMetadata": counts, **text})[6:-4])
    theirs = (b"", chunk({"content": " is a word"})[6:-2])
    gemini, chat = decoder(), ChatDecoder()

    def cost(machine, payload):
        return min(timeit.repeat(lambda: machine.feed([payload]), number=300, repeat=7))

    assert cost(gemini, ours) < 2 * cost(chat, theirs) + 0.0003
