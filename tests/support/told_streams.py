"""Hypothesis strategies for well-formed chat streams, each with what it says, in all the spellings that upstreams have.

A story is a list of scenes (thinking, text, refusal, calls); it is told in chunks cut and spelled at random. What a
story says is known before it is told, so that the result can be compared with something no translator made.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

WORDS = 'A long, 那 story \U0001f600 of\n\n  "quotes" \\ tabs\t, é \u2028 and `code` {}[] <b>. '
CUTS = st.lists(st.integers(0, len(WORDS)), max_size=4).map(sorted)


@dataclass
class Story:
    """The chunks of one answer, and what they say. `status` is how the response must end."""

    chunks: list[dict[str, Any]] = field(default_factory=list)
    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: list[list[str]] = field(default_factory=list)
    ids: list[str | None] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    status: str = "completed"
    usage: dict[str, int] | None = None

    def tell(self, delta: dict[str, Any], finish: str | None = None, **more: Any) -> None:
        """Adds one chunk."""
        self.chunks.append({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more})

    def item(self, kind: str) -> None:
        """Notes that an item of that kind is due next; neighbours of one kind are one item, but for calls."""
        if kind == "function_call" or self.kinds[-1:] != [kind]:
            self.kinds.append(kind)


def _pieces(text: str, cuts: list[int]) -> list[str]:
    places = [0, *(cut % (len(text) + 1) for cut in cuts), len(text)]
    places.sort()
    return [text[start:end] for start, end in itertools.pairwise(places)]


THINKING = {
    "reasoning_content": lambda text: {"reasoning_content": text},
    "reasoning": lambda text: {"reasoning": text, "content": ""},
    "both": lambda text: {"reasoning": text, "reasoning_content": text},
    "nulls": lambda text: {"role": None, "content": None, "reasoning_content": text, "tool_calls": None},
    "details": lambda text: {"content": "", "reasoning_details": [{"type": "reasoning.text", "text": text}]},
    "details and text": lambda text: {
        "reasoning": text, "reasoning_details": [{"type": "reasoning.text", "text": text, "signature": None}],
    },
    "thinking": lambda text: {"thinking": text},
    "list": lambda text: {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]},
}  # fmt: skip
SAYING = {
    "content": lambda text: {"content": text},
    "nulls": lambda text: {"role": "assistant", "content": text, "reasoning_content": None, "tool_calls": None},
    "empty reasoning": lambda text: {"reasoning_content": "", "reasoning": "", "content": text, "refusal": ""},
    "list": lambda text: {"content": [{"type": "text", "text": text}]},
}


def _speak(story: Story, spell: Any, text: str, cuts: list[int]) -> None:
    for piece in _pieces(text, cuts):
        story.tell(spell(piece))


def thinks(story: Story, draw: Any) -> None:
    """Tells a thought."""
    text = WORDS[: draw(st.integers(1, len(WORDS)))]
    _speak(story, THINKING[draw(st.sampled_from(sorted(THINKING)))], text, draw(CUTS))
    story.reasoning += text
    story.item("reasoning")


def says(story: Story, draw: Any) -> None:
    """Tells a text; it does not begin with white space, which may be dropped in front of a call."""
    text = WORDS[: draw(st.integers(1, len(WORDS)))]
    _speak(story, SAYING[draw(st.sampled_from(sorted(SAYING)))], text, draw(CUTS))
    story.text += text
    story.item("message")


def refuses(story: Story, draw: Any) -> None:
    """Tells a refusal."""
    text = WORDS[: draw(st.integers(1, 20))]
    _speak(story, lambda piece: {"refusal": piece}, text, draw(CUTS))
    story.refusal += text
    story.item("message")


def both_at_once(story: Story, draw: Any) -> None:
    """Tells a thought and a text in one chunk."""
    story.tell({"reasoning_content": "think", "content": "ans"})
    story.tell({"content": "wer"})
    story.reasoning += "think"
    story.text += "answer"
    story.item("reasoning")
    story.item("message")


def _function(name: str | None, arguments: Any) -> dict[str, Any]:
    return {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}


def _call(story: Story, **piece: Any) -> None:
    story.tell({"tool_calls": [piece]})


def _new_call(story: Story, draw: Any, *, named: bool = True) -> tuple[str, str, str]:
    number = len(story.calls)
    name = draw(st.sampled_from(["get", "put", "multi_tool"]))
    value = draw(st.sampled_from([{}, {"a": 1}, {"q": 'a "b" {c} \\ 那'}, {"deep": [{"x": [1, 2]}]}]))
    arguments = json.dumps(value, ensure_ascii=draw(st.booleans()))
    call_id = f"call_{number}"
    story.calls.append([name, arguments])
    story.ids.append(call_id if named else None)
    story.item("function_call")
    return call_id, name, arguments


MANNERS = ["openai", "whole", "one index", "no index", "no id", "repeating", "empty strings", "nulls"]


def calls_in_turn(story: Story, draw: Any) -> None:
    """Tells one to three calls, one behind the other, as one of several kinds of servers would."""
    manner = draw(st.sampled_from(MANNERS))
    start = len(story.calls)
    for _ in range(draw(st.integers(1, 3))):
        call_id, name, arguments = _new_call(story, draw, named=manner != "no id")
        index = len(story.calls) - 1
        if manner in ("whole", "no index"):
            place = {} if manner == "no index" else {"index": index}
            _call(story, **place, id=call_id, function=_function(name, arguments))
            continue
        if manner == "one index":
            index = start
        head: dict[str, Any] = {"index": index, "id": call_id, "type": "function", "function": _function(name, "")}
        more: dict[str, Any] = {"index": index}
        if manner == "no id":
            del head["id"]
        elif manner == "repeating":
            more = {"index": index, "id": call_id, "type": "function", "name": name}
        elif manner == "empty strings":
            more = {"index": index, "id": "", "name": ""}
        elif manner == "nulls":
            head["function"]["arguments"] = None
            more = {"index": index, "id": None, "type": None}
        _call(story, **head)
        for piece in _pieces(arguments, draw(CUTS)):
            function = {"arguments": piece, **({"name": more["name"]} if "name" in more else {})}
            _call(story, **{key: value for key, value in more.items() if key != "name"}, function=function)


def calls_interleaved(story: Story, draw: Any) -> None:
    """Tells two calls whose pieces come in turns; the second piece of neither completes it early."""
    told = [_new_call(story, draw) for _ in range(2)]
    first = len(story.calls) - 2
    for number, (call_id, name, _) in enumerate(told):
        _call(story, index=first + number, id=call_id, function=_function(name, ""))
    pieces = [_pieces(arguments, [1, len(arguments) // 2]) for _, _, arguments in told]
    for turn in range(3):
        both = [{"index": first + number, "function": {"arguments": pieces[number][turn]}} for number in range(2)]
        if draw(st.booleans()):
            story.tell({"tool_calls": both})
        else:
            for piece in both:
                _call(story, **piece)


SCENES = [thinks, says, refuses, both_at_once, calls_in_turn, calls_interleaved]
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
FINISHES = {
    "stop": "completed", "tool_calls": "completed", "eos": "completed", "who knows": "completed",
    "length": "incomplete", "max_tokens": "incomplete", "content_filter": "incomplete", "error": "failed",
}  # fmt: skip


@st.composite
def stories(draw: Any) -> Story:
    """Returns a whole story, from the chunk that says nothing to its end."""
    story = Story()
    if draw(st.booleans()):
        story.chunks.append({"choices": [], "id": "", "model": "", "created": 0, "prompt_filter_results": []})
    story.tell({"role": "assistant", "content": ""})
    for scene in draw(st.lists(st.sampled_from(SCENES), max_size=4)):
        scene(story, draw)
    finish = draw(st.sampled_from([*FINISHES, None]))
    usage = draw(st.sampled_from(["none", "with finish", "behind", "everywhere", "twice"]))
    story.usage = None if usage == "none" else USAGE
    if usage == "everywhere":
        for number, told in enumerate(story.chunks):
            told["usage"] = {"prompt_tokens": 11, "completion_tokens": number, "total_tokens": 11 + number}
    if finish is None and not story.kinds:
        story.status = "failed"
    if finish is not None:
        story.status = FINISHES[finish]
        story.tell({}, finish, **({"usage": USAGE} if usage in ("with finish", "everywhere", "twice") else {}))
        if draw(st.booleans()):
            story.tell({}, "stop" if story.status != "failed" else finish)
    if finish == "error" and usage == "behind":
        story.usage = None  # the failure ends the answer before it comes
    if usage in ("behind", "twice") or (finish is None and usage != "none"):
        story.chunks.append({"choices": [], "usage": USAGE})
    if draw(st.booleans()):
        story.chunks.append({"choices": [], "moderation": {}})
    return story


def told(story: Story, *, escapes: bool) -> bytes:
    """Returns the stream of a story; `escapes` writes what is not ASCII as JSON escapes."""
    lines = [json.dumps(chunk, ensure_ascii=escapes) for chunk in story.chunks]
    return "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode()
