"""What chat completions call the parameters of the Responses API, for clients that are told of one.

A request of chat completions is asked of most upstreams as one of the Responses API, so that what is dropped or refused
there bears that API's name.
"""

from __future__ import annotations

from collections.abc import Collection

_NAMES = {
    "input": "messages",
    "instructions": "messages",
    "max_output_tokens": "max_completion_tokens",
    "reasoning": "reasoning_effort",
    "text.format": "response_format",
    "text.verbosity": "verbosity",
}


def chat_name(param: str, asked: Collection[str]) -> str:
    """Returns what a client calls a parameter; `asked` are the fields of its request, and keep their names.

    Of what is said wrong in the input it is told only that it is in the messages, for they are other ones.
    """
    field = param.partition("[")[0].partition(".")[0]
    if field in asked:
        return param
    place = ".".join(param.split(".")[:2])
    return _NAMES.get(place) or _NAMES.get(field, param)
