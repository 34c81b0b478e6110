"""What the fields of a request mean to Claude, over whichever API it is asked."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from typing import Any

from ...api.raw import given
from ...api.responses.fields import TextFormat
from ...api.responses.request import ResponsesRequest
from ..effects import OWN_FIELDS
from ..stop_sequences import stop_sequences
from .profile import PromptCache

Hint = Callable[[str], None]

ANSWER_TOOL = "json_tool_call"
"""The tool whose arguments are the answer, for models that cannot be held to a schema otherwise."""
CALL_ANSWER_TOOL = f"Give your answer by calling the tool {ANSWER_TOOL}."

KEPT_HERE = OWN_FIELDS | {
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning",
    "temperature",
    "text",
    "top_p",
}
"""Fields that are no parameter of a table and yet not without effect, so that nobody needs to hear of them."""

_JSON_ONLY = "Answer with one JSON object and nothing else."


def parameters(request: ResponsesRequest, table: Container[str]) -> tuple[list[str], Iterator[str]]:
    """Returns the fields that a table knows, and those that are neither there nor kept here: they have no effect."""
    there = [name for name, raw in request.fields.items() if name not in KEPT_HERE and given(raw)]
    return [name for name in there if name in table], (name for name in there if name not in table)


def schema_form(request: ResponsesRequest, say: Callable[[str], None], hint: Hint) -> TextFormat | None:
    """Returns the form of the answer where it is to match a schema; `say` is given what to instruct the model with.

    `hint` is told of a verbosity that has no effect.
    """
    settings = request.text
    if settings.verbosity not in (None, "medium"):
        hint("text.verbosity")
    form = settings.format
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        say(_JSON_ONLY)
        return None
    return form


def answer_tool(form: TextFormat) -> dict[str, Any]:
    """Returns the tool that takes an answer of that form."""
    about = f" {form.description}" if form.description else ""
    return {"name": ANSWER_TOOL, "description": f"Takes your answer.{about}", "input_schema": form.schema}


def sampling(request: ResponsesRequest, hint: Hint, *, takes: bool, both: bool = False) -> dict[str, float]:
    """Returns `temperature`, or else `top_p`; nothing where the model `takes` neither, both of them only if told to.

    `hint` is told of what has no effect.
    """
    made: dict[str, float] = {}
    temperature, top_p = request.value("temperature"), request.value("top_p")
    if temperature is not None and takes:
        made["temperature"] = min(temperature, 1.0)
    elif temperature not in (None, 1.0):
        hint("temperature")
    if top_p is None or (top_p == 1.0 and not both):
        return made
    if takes and (both or temperature is None):
        made["top_p"] = top_p
    elif top_p != 1.0:
        hint("top_p")
    return made


def stop_words(request: ResponsesRequest, name: str, hint: Hint) -> list[str]:
    """Returns what ends the answer; raises BadRequest. Blank words are refused upstream: `hint` is told of them."""
    words = stop_sequences(request.get(name))
    taken = [word for word in words if word.strip()]
    if len(taken) < len(words):
        hint(name)
    return taken


def hint_unless_zero(request: ResponsesRequest, name: str, hint: Hint) -> None:
    """Tells of a number that has no effect, unless it is 0 and asks for none."""
    if request.value(name):
        hint(name)


def caches(request: ResponsesRequest, wanted: PromptCache) -> bool:
    """Tells whether the beginning of the conversation is to be kept where the client sets no breakpoints."""
    return wanted == "always" or (wanted == "auto" and request.value("prompt_cache_key") is not None)
