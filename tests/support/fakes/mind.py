"""The model behind every fake provider: answers by what it is asked, whatever dialect that was said in.

A dialect reads a request into `Asked`, and writes the `Turn` that `answer` returns. What is said begins with a word:

    weather     calls `get_weather` for two cities at once (for one, where calls may not be parallel)
    long        stops at the limit of the answer
    refuse X    an error before the answer: X is a key of `ERRORS` of the provider
    break       an error behind the first words of the stream
    cut         the connection ends behind the first words

Everything else is answered by telling what was seen, so that a client can check that all of it has come.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import msgspec

CITIES = ("Oslo", "Bergen")
THOUGHT = "They want the weather. Two cities."
FIRST_WORDS = "The river "
WORDS = "The river runs and runs"
JSON_ANSWER = '{"city":"Oslo"}'


class Asked(msgspec.Struct, kw_only=True):
    """What a request says.

    `said` and `seen` (pictures, documents) are of the user's last turn, `results` what tools gave back since. `forced`
    is the tool that must be called, or `*` for any. `thoughts` is the thinking of earlier turns that came back, as the
    provider wants it.
    """

    said: str = ""
    told: str = ""
    seen: list[str] = []
    tools: list[str] = []
    forced: str = ""
    parallel: bool = True
    results: list[str] = []
    wants_json: bool = False
    thinks: bool = False
    thoughts: list[str] = []
    limit: int | None = None
    temperature: float | None = None
    stops: list[str] = []
    stream: bool = False


class Call(msgspec.Struct):
    """A call of a tool."""

    name: str
    arguments: dict[str, Any]

    @property
    def json(self) -> str:
        """The arguments as text."""
        return json.dumps(self.arguments, separators=(",", ":"))


class Turn(msgspec.Struct, kw_only=True):
    """What is answered. `state` goes with the thinking and wants to come back; `refused` and `broken` are failures."""

    thinking: str = ""
    state: str = ""
    text: str = ""
    calls: list[Call] = []
    limited: bool = False
    refused: str = ""
    broken: str = ""

    @property
    def halves(self) -> tuple[str, str]:
        """The text in the two pieces in which it is streamed."""
        half = len(FIRST_WORDS) if self.broken else len(self.text) // 2
        return self.text[:half], self.text[half:]

    @property
    def reasoning_tokens(self) -> int:
        """How many tokens of the answer were thought."""
        return THOUGHT_TOKENS if self.thinking else 0


INPUT_TOKENS, CACHED_TOKENS, OUTPUT_TOKENS, THOUGHT_TOKENS = 1000, 200, 100, 40
"""What every answer has used; the cached tokens are part of the input, the thoughts part of the output."""


def answer(asked: Asked) -> Turn:
    """Returns what the model says to a request."""
    word, _, rest = asked.said.partition(" ")
    if word == "refuse":
        return Turn(refused=rest)
    if word in ("break", "cut"):
        return Turn(text=WORDS, broken=word)
    if word == "long":
        return Turn(text=WORDS, limited=True)
    thinking = THOUGHT if asked.thinks else ""
    made = Turn(thinking=thinking, state=state_of(asked.said) if thinking else "")
    if asked.forced:
        name = asked.tools[0] if asked.forced == "*" else asked.forced
        made.calls = [Call(name, json.loads(JSON_ANSWER))]
    elif word == "weather" and asked.tools and not asked.results:
        made.calls = [Call(asked.tools[0], {"city": city}) for city in CITIES[: 2 if asked.parallel else 1]]
    else:
        made.text = JSON_ANSWER if asked.wants_json else told(asked)
    return made


def told(asked: Asked) -> str:
    """Returns a text that says what was asked."""
    parts = [f"heard: {asked.said}"]
    for name, values in (
        ("told", [asked.told] if asked.told else []),
        ("seen", asked.seen),
        ("given", asked.results),
        ("at", [] if asked.temperature is None else [str(asked.temperature)]),
        ("until", asked.stops),
        ("remembered", list(dict.fromkeys(asked.thoughts))),
    ):
        if values:
            parts.append(f"{name}: {', '.join(values)}")
    return "; ".join(parts)


def state_of(said: str) -> str:
    """Returns the state of a thought: base64, as every provider's is."""
    return base64.b64encode(b"state-" + hashlib.sha256(said.encode()).digest()[:6]).decode()


def picture(kind: str, data: str) -> str:
    """Returns what was seen of a picture or document that came as base64."""
    return f"{kind} {hashlib.sha256(base64.b64decode(data, validate=True)).hexdigest()[:8]}"


def seen_url(url: str) -> str:
    """Returns what was seen of a picture or document at an address, which may hold it."""
    if not url.startswith("data:"):
        return url
    kind, _, data = url.removeprefix("data:").partition(";base64,")
    return picture(kind, data)
