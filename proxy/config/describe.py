"""Says all that can be said of a stage without running it: its docs, settings, order rules, and what it sees."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from types import NoneType

import msgspec

from ..reply import Reply
from ..stage import ResponseFilter, Stage
from .fields import FieldRow, rows
from .order import DIVIDER

_EXAMPLE = re.compile(r"(?:For example|Examples?):{1,2}", re.IGNORECASE)


class StageDescription(msgspec.Struct, frozen=True):
    """What there is to know of a stage. `text` is its docstring without the example; `example` is YAML, or empty."""

    name: str
    summary: str
    text: str
    example: str
    settings: tuple[FieldRow, ...]
    order: tuple[str, ...]
    sees: tuple[str, ...]


def describe(stage: type[Stage]) -> StageDescription:
    """Returns the description of a stage, all of it from the class."""
    text, example = _docs(stage)
    summary = re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0].replace("\n", " ")
    return StageDescription(
        stage.name, summary, text, example, rows(stage.Config), tuple(_order(stage)), tuple(_sees(stage))
    )


def _docs(stage: type[Stage]) -> tuple[str, str]:
    """Returns the prose and the example of the docstring: the indented block under the line "Example:".

    The example is an entry of the pipeline; the dash before it may be left out.
    """
    lines = inspect.cleandoc(stage.__dict__.get("__doc__") or "").splitlines()
    start = next((index for index, line in enumerate(lines) if _EXAMPLE.fullmatch(line)), len(lines))
    end = start + 1
    while end < len(lines) and (lines[end].startswith(" ") or not lines[end]):
        end += 1
    text = "\n".join([*lines[:start], *lines[end:]]).strip()
    example = inspect.cleandoc("\n".join(["", *lines[start + 1 : end]])).strip()
    if example and not example.startswith("- "):
        example = "- " + example.replace("\n", "\n  ")
    return text, example


def _order(stage: type[Stage]) -> Iterator[str]:
    for name in stage.after:
        yield f"below {name}"
    for name in stage.requires:
        yield f"only with {name} in the pipeline"
    if stage.side != "any":
        yield f"{stage.side} {DIVIDER}"
    yield "once" if stage.once else "any number of times"
    for name, consequence in stage.advice.items():
        yield f"better above {name}; below it, {consequence.removeprefix('then ')}"


def _sees(stage: type[Stage]) -> Iterator[str]:
    """Yields what a stage does with an exchange, as the return annotations of its methods say."""
    if stage.on_request is Stage.on_request:
        yield "does not look at requests"
        return
    yield "looks at requests"
    answers = _answers(stage)
    filters = [answer for answer in answers if issubclass(answer, ResponseFilter)]
    if Reply in answers:
        yield "may answer them itself"
    always = filters if NoneType not in answers else []
    if heads := [one for one in filters if one.on_head is not ResponseFilter.on_head]:
        yield "sees the head of the answer" if heads == always else "may see the head of the answer"
    if stage.name == DIVIDER:
        yield "translates the stream"
    elif streams := [one for one in filters if one.on_events is not ResponseFilter.on_events]:
        yield "sees the stream" if streams == always else "may see the stream"
    else:
        yield "does not touch the stream"
    if any(answer.on_end is not ResponseFilter.on_end for answer in filters):
        yield "settles at the end" + (", of refused requests too" if stage.observer else "")


def _answers(stage: type[Stage]) -> list[type]:
    """Returns the classes that `on_request` may return, by its annotation and those of methods that it may ask.

    NoneType is among them where `on_request` says so.
    """
    answers = _named_by(stage.on_request)
    for name in dict.fromkeys(name for one in stage.__mro__ if issubclass(one, Stage) for name in vars(one)):
        method = getattr(stage, name)
        if inspect.isfunction(method):
            answers += [one for one in _named_by(method) if issubclass(one, ResponseFilter)]
    return list(dict.fromkeys(answers))


def _named_by(function: Callable[..., object]) -> list[type]:
    """Returns the classes in a function's return annotation, which may be a string."""
    annotation = function.__annotations__.get("return")
    if not isinstance(annotation, str):
        parts = getattr(annotation, "__args__", (annotation,))
        return [part for part in parts if isinstance(part, type)]
    known = vars(sys.modules[function.__module__])
    found: list[type] = []
    for node in ast.walk(ast.parse(annotation, mode="eval")):
        if isinstance(node, ast.Constant) and node.value is None:
            found.append(NoneType)
        elif isinstance(node, ast.Name) and isinstance(one := known.get(node.id), type):
            found.append(one)
    return found
