"""Directives: what a request can tell an echo model to do, written in the text of a user message.

A directive is a word in double brackets, most of them with a value behind a space or an equals sign:

    [[say Hello there.]]            the text of the answer
    [[reasoning Let me think.]]     thinking in front of it
    [[call NAME]]                   calls a tool, with arguments made from its schema
    [[call NAME {"city": "Oslo"}]]  ... with these arguments
    [[call NAME any raw text]]      ... with this text as its first required string, or as the input of a custom tool
    [[call_raw NAME text]]          ... with this text as the arguments, valid or not
    [[refuse]] [[refuse Sorry.]]    refuses
    [[finish length]]               the finish reason, whatever it is
    [[error 503]]                   answers with an HTTP error; [[error 429 insufficient_quota]] names its code
    [[stream_error]]                an error object in the middle of the answer; [[stream_error 3]] after 3 tokens
    [[cut]] [[cut 3]]               the connection is lost there
    [[stall]] [[stall 3]]           the answer stops there, until somebody closes the connection
    [[step]]                        begins the next step; [[step say done]] is short for [[step]] [[say done]]

and these settings, which hold for all steps of the message:

    [[tokens_per_s=50]]             pace of the answer; 0 is as fast as possible
    [[first_token_s=0.5]]           pause between the head of the answer and its first token
    [[head_s=1]]                    pause in front of the head
    [[repeat=100]]                  says its text that many times

Steps are for agents: step n is played when n - 1 turns of the model follow the message in the conversation, so one
message scripts a whole run of calls and results. After the last step the model does what it does without directives.

A value ends at the first two closing brackets. JSON values may hold brackets; other texts may when the directive is
written with more of them: [[[call exec a[b[0]] + 1]]]. A value in double quotes is a JSON string ("two\\nlines").
Words that are no directives are left alone: shell tests such as [[ -f x ]] are ordinary text.
"""

from __future__ import annotations

import json
import re
from typing import Any, Literal

import msgspec

Accident = Literal["stream_error", "cut", "stall"]

_ACTIONS = ("say", "reasoning", "call_raw", "call", "refuse", "finish", "error", "stream_error", "cut", "stall")
_SETTINGS = ("tokens_per_s", "first_token_s", "head_s", "repeat")
_WORD = "|".join((*_ACTIONS, *_SETTINGS))
_OPEN = re.compile(
    r"(?P<open>\[\[+)(?:(?P<step>step)(?=[\s\]])\s*)?"
    rf"(?:(?P<word>{_WORD})(?=[\s=\]]))?"
    r"(?:\s*=\s*|\s+)?"
)
_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[\w.:-]+")
_MAX_REPEAT = 1_000_000
_json_value = json.JSONDecoder().raw_decode


class DirectiveError(ValueError):
    """A directive that cannot be understood; the text says which and why."""


class CallDirective(msgspec.Struct, frozen=True):
    """A tool to call. `arguments` is an object, raw text, or None to make them up; `verbatim` text is not touched."""

    name: str
    arguments: dict[str, Any] | str | None = None
    verbatim: bool = False


class Step(msgspec.Struct):
    """What to do in one turn; None and empty where the directives do not say."""

    say: str | None = None
    reasoning: str | None = None
    calls: list[CallDirective] = msgspec.field(default_factory=list)
    refusal: str | None = None
    finish: str | None = None
    status: int | None = None
    code: str | None = None
    accident: Accident | None = None
    after: int | None = None

    @property
    def empty(self) -> bool:
        """Whether no directive was given."""
        return self == Step()


class Directives(msgspec.Struct):
    """All directives of one message, and its text without them. `steps` is empty when there are only settings."""

    text: str
    found: bool = False
    steps: list[Step] = msgspec.field(default_factory=list)
    tokens_per_s: float | None = None
    first_token_s: float | None = None
    head_s: float | None = None
    repeat: int | None = None


def parse_directives(text: str) -> Directives:
    """Returns the directives of a message; raises DirectiveError for one that has no sense."""
    result = Directives("")
    step = Step()
    rest: list[str] = []
    end = 0
    for match in _OPEN.finditer(text):
        if match.start() < end or not (match["step"] or match["word"]):
            continue
        value, after = _value(text, match)
        rest.append(text[end : match.start()])
        end = after
        result.found = True
        if match["step"] and not step.empty:
            result.steps.append(step)
            step = Step()
        if match["word"] in _SETTINGS:
            _set(result, match["word"], value)
        elif match["word"]:
            _act(step, match["word"], value)
        elif value:
            raise DirectiveError(f"[[step {value}]]: there is no such directive.")
    if not step.empty:
        result.steps.append(step)
    rest.append(text[end:])
    result.text = " ".join(filter(None, (piece.strip() for piece in rest))) if result.found else text
    return result


def _value(text: str, match: re.Match[str]) -> tuple[Any, int]:
    """Returns the value of the directive that opens at the match, and where the directive ends."""
    close = "]" * len(match["open"])
    start = match.end()
    word = match["word"]
    if word in ("call", "call_raw"):
        name = _NAME.match(text, start)
        if name is None:
            raise DirectiveError(f"[[{word}]] needs the name of a tool.")
        space = _SPACE.match(text, name.end())
        value, end = _text_value(text, space.end() if space else name.end(), close)
        return (name[0], value), end
    return _text_value(text, start, close)


def _text_value(text: str, start: int, close: str) -> tuple[Any, int]:
    """Returns the value at `start`: an object, a JSON string, or the text up to the closing brackets."""
    if text[start : start + 1] in ("{", '"'):
        try:
            value, end = _json_value(text, start)
        except ValueError:
            pass
        else:
            rest = len(text) - len(text[end:].lstrip())
            if text.startswith(close, rest):
                return value, rest + len(close)
    end = text.find(close, start)
    if end < 0:
        raise DirectiveError(f"{text[max(0, start - 20) : start + 20]!r}: the closing {close} is missing.")
    while text.startswith("]", end + len(close)):  # the brackets in front of the last ones belong to the value
        end += 1
    return text[start:end].strip(), end + len(close)


def _act(step: Step, word: str, value: Any) -> None:
    """Adds an action to a step."""
    if word in ("call", "call_raw"):
        name, arguments = value
        if word == "call_raw":
            arguments = json.dumps(arguments) if isinstance(arguments, dict) else arguments
            step.calls.append(CallDirective(name, arguments, verbatim=True))
        else:
            step.calls.append(CallDirective(name, None if arguments == "" else arguments))
        return
    if isinstance(value, dict):
        value = json.dumps(value)
    if word == "say":
        step.say = value
    elif word == "reasoning":
        step.reasoning = value
    elif word == "refuse":
        step.refusal = value or "I cannot help with that."
    elif word == "finish":
        if not value:
            raise DirectiveError("[[finish]] needs a finish reason.")
        step.finish = value
    elif word == "error":
        status, _, code = value.partition(" ")
        step.status = int(_number(word, status or "500", 400, 599))
        step.code = code.strip() or None
    else:
        step.accident = word  # type: ignore[assignment]  # the three that are left
        step.after = int(_number(word, value, 0, _MAX_REPEAT)) if value else None


def _set(result: Directives, word: str, value: str) -> None:
    """Sets one of the settings."""
    if word == "repeat":
        result.repeat = int(_number(word, value, 1, _MAX_REPEAT))
    else:
        setattr(result, word, _number(word, value, 0, 1e6))


def _number(word: str, text: str, low: float, high: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not low <= number <= high:
        raise DirectiveError(f"[[{word}]] needs a number from {low:g} to {high:g}, not {text!r}.")
    return number
