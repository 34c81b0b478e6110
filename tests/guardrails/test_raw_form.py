"""What answers that are passed on say, and how they are written with other words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.guardrails.raw_form import read


def stream(*events: Any) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(one).encode() for one in events)


def told(body: bytes) -> list[Any]:
    return [json.loads(line[6:]) for line in body.split(b"\n\n") if line and line != b"data: [DONE]"]


def piece(text: str, index: int = 0, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": index, "text": text, "logprobs": {"tokens": [text]}, "finish_reason": finish}
    return {"id": "cmpl-1", "object": "text_completion", "model": "m", "choices": [choice]}


def test_a_whole_answer() -> None:
    one = {**piece("a secret"), "usage": {"total_tokens": 3}, "more": {"said": "beside"}}
    form = read(json.dumps(one).encode(), events=False)
    assert form.texts == ("a secret", "beside")
    bare = json.loads(form.withheld())
    ended = {"index": 0, "text": "", "logprobs": None, "finish_reason": "content_filter"}
    assert bare == {
        "id": "cmpl-1",
        "object": "text_completion",
        "model": "m",
        "usage": one["usage"],
        "choices": [ended],
    }
    said = json.loads(form.saying(["a #", "b"]))
    assert (said["choices"][0]["text"], said["choices"][0]["logprobs"], said["more"]) == ("a #", None, {"said": "b"})


def test_a_transcription() -> None:
    heard = {"task": "transcribe", "text": "a secret", "segments": [{"text": "a"}, {"text": "secret"}]}
    form = read(json.dumps(heard).encode(), events=False)
    assert form.texts == ("a secret",)
    assert json.loads(form.withheld()) == {"task": "transcribe", "text": ""}
    assert json.loads(form.saying(["a #"])) == {"task": "transcribe", "text": "a #", "segments": []}


def test_a_stream_of_several_choices() -> None:
    usage = {"id": "cmpl-1", "choices": [], "usage": {"total_tokens": 5}}
    body = stream(piece("a se"), piece("b", 1), piece("cret", finish="stop"), piece("", 1, "length"), usage)
    form = read(body + b"data: [DONE]\n\n", events=True)
    assert form.texts == ("a secret", "b")
    (said,) = told(form.saying(["a #", "b"]))
    assert [(one["index"], one["text"], one["finish_reason"]) for one in said["choices"]] == [
        (0, "a #", "stop"),
        (1, "b", "length"),
    ]
    assert said["usage"] == usage["usage"]
    assert form.saying(["a #", "b"]).endswith(b"data: [DONE]\n\n")
    (bare,) = told(form.withheld())
    assert [(one["text"], one["finish_reason"]) for one in bare["choices"]] == [("", "content_filter")] * 2
    assert b"secret" not in form.withheld()


def test_what_stands_beside_the_texts_of_a_stream_is_seen_and_does_not_go_out() -> None:
    event = piece("fine")
    event["choices"][0]["more"] = "secret"
    form = read(stream(event, piece("", finish="stop")), events=True)
    assert form.texts == ("fine", "secret")
    assert b"secret" not in form.saying(["fine", "#"])


def test_a_stream_of_a_transcription() -> None:
    pieces = [{"type": "transcript.text.delta", "delta": text} for text in ("a se", "cret")]
    end = {"type": "transcript.text.done", "text": "a secret", "usage": {"seconds": 1}}
    form = read(stream(*pieces, end), events=True)
    assert form.texts == ("a secret",)
    delta, done = told(form.saying(["a #"]))
    assert delta == {"type": "transcript.text.delta", "delta": "a #"}
    assert done == {"type": "transcript.text.done", "text": "a #", "usage": {"seconds": 1}}
    assert [one.get("delta", one.get("text")) for one in told(form.withheld())] == ["", ""]


@pytest.mark.parametrize(
    ("body", "events"),
    [(b"1\n00:00 a secret", False), (b"data: {no secret}\n\n", True), (b"[" * 100_000 + b'"secret"', False)],
    ids=["text", "no json", "deep"],
)
def test_what_cannot_be_read_is_one_text(body: bytes, events: bool) -> None:
    form = read(body, events=events)
    assert form.texts == (body.decode(),)
    assert (form.saying(["#"]), form.withheld()) == (b"#", b"")


@pytest.mark.parametrize("value", [["a secret"], "secret", {"choices": "secret"}, {"choices": [["secret"], 5]}])
def test_answers_of_no_known_form_are_read_all_the_same(value: Any) -> None:
    form = read(json.dumps(value).encode(), events=False)
    assert any("secret" in text for text in form.texts)
    assert b"secret" not in form.withheld()
    assert b"secret" not in form.saying(["#"] * len(form.texts))


def test_a_choice_with_an_odd_place_is_the_first_one() -> None:
    odd = piece("a")
    odd["choices"][0]["index"] = []
    assert read(stream(odd, piece("b")), events=True).texts == ("ab",)
