"""Parts the items of an input into steps: what can be left out of a history only together, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from .items import (
    ApplyPatchCall,
    ApplyPatchOutput,
    CustomToolCall,
    FunctionCall,
    Item,
    LocalShellCall,
    LocalShellOutput,
    Message,
    Output,
    Reasoning,
    ShellCall,
    ShellOutput,
    ToolOutput,
    ToolSearchCall,
    ToolSearchOutput,
    Unmodelled,
)

_CALLS = (FunctionCall, CustomToolCall, ToolSearchCall, LocalShellCall, ShellCall, ApplyPatchCall)
_OUTPUTS = (ToolOutput, ToolSearchOutput, LocalShellOutput, ShellOutput, ApplyPatchOutput)


class Step(msgspec.Struct):
    """Items that belong together, by their indexes, in order.

    `user`: one message of the user. `model`: what the model did at one go, thinking, text and calls, with all that came
    of the calls. `fixed`: what is in force whatever is left out: instructions, tools, settings.
    """

    kind: Literal["fixed", "user", "model"]
    at: list[int]


def steps_of(items: Sequence[Item]) -> list[Step]:
    """Returns the steps in the order in which they begin. An output without a call is fixed: it is somebody's error."""
    walk = _Walk()
    for index, item in enumerate(items):
        walk.take(index, item)
    return walk.steps


class _Walk:
    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._open: Step | None = None
        self._said = False  # the open step has text or calls, behind which thinking begins another
        self._calls: dict[str, Step] = {}

    def take(self, index: int, item: Item) -> None:
        if isinstance(item, Message) and item.role == "user":
            self._close(Step("user", [index]))
        elif isinstance(item, _CALLS):
            step = self._model(index, anew=False)
            self._said = True
            if item.call_id is not None:
                self._calls[item.call_id] = step
        elif isinstance(item, _OUTPUTS):
            self._output(index, item)
        elif isinstance(item, Message) and item.role == "assistant":
            self._model(index, anew=self._said)
            self._said = True
        elif isinstance(item, Reasoning):
            self._model(index, anew=self._said)
        elif isinstance(item, Unmodelled):
            self._model(index, anew=False)
        else:
            self._close(Step("fixed", [index]))

    def _model(self, index: int, *, anew: bool) -> Step:
        """Adds an item to the model's step, or begins one with it."""
        if self._open is None or anew:
            self._open = Step("model", [])
            self._said = False
            self.steps.append(self._open)
        self._open.at.append(index)
        return self._open

    def _output(self, index: int, item: Output) -> None:
        call_id = item.call_id
        if isinstance(item, LocalShellOutput):
            call_id = call_id or item.id
        if call_id is None and isinstance(item, ToolSearchOutput):
            self._model(index, anew=False)  # of a search by the server that said it
            return
        self._open = None
        step = self._calls.get(call_id or "")
        if step is None:
            self.steps.append(Step("fixed", [index]))
        else:
            step.at.append(index)

    def _close(self, step: Step) -> None:
        self._open = None
        self.steps.append(step)
