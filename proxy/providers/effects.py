"""What of a request has no effect upstream: it is named to the client, or refused, as `stream-translate` was told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import islice

from ..errors import BadRequest
from .provider import TranslateOptions

Ignore = Callable[[str], None]

OWN_FIELDS = frozenset(
    (
        # read for every upstream, wherever they stand in what it is asked
        "input",
        "instructions",
        "max_completion_tokens",
        "max_output_tokens",
        "max_tokens",
        "model",
        "parallel_tool_calls",
        "stream",
        "tool_choice",
        "tools",
        # Penstock's own, or only shown in the Response
        "background",
        "background_options",
        "context_management",
        "conversation",
        "include",
        "max_tool_calls",
        "metadata",
        "moderation",
        "n",
        "previous_response_id",
        "store",
        "stream_options",
        "truncation",
    )
)
"""Fields that need be no parameter of an upstream to have an effect, so that nobody has to hear of them."""

_UNSHOWABLE = re.compile(r"[^ -~]")
"""What may not stand in a header; names of fields and types of tools are whatever the client has sent."""
_MAX_NOTED = 80
_MAX_NAMED = 20


class Effects:
    """Names what of one request has no effect. `ignore` is told of it, in a form that can stand in a header."""

    __slots__ = ("_ignore", "_strict")

    def __init__(self, options: TranslateOptions, ignore: Ignore) -> None:
        self._strict = options.params == "strict"
        self._ignore = ignore

    def note(self, name: str) -> None:
        """Names what has none, whatever the options say: tools and history."""
        self._ignore(_UNSHOWABLE.sub("?", name)[:_MAX_NOTED])

    def hint(self, name: str) -> None:
        """Names a parameter that has none; raises BadRequest where the options say so."""
        if self._strict:
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            raise BadRequest(message, param=name, code="unsupported_parameter")
        self.note(name)

    def hint_first(self, names: Iterable[str]) -> None:
        """Names parameters that nobody knows, the first few of them; raises BadRequest like `hint`."""
        for name in islice(names, _MAX_NAMED):
            self.hint(name)
