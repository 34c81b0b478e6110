"""Makes a request for a summary out of a request for an answer."""

from __future__ import annotations

import msgspec

from ..api.raw import Raw
from ..api.responses.items import CompactionTrigger, ConfigurationUpdate
from ..api.responses.request import ResponsesRequest

PROMPT = """\
Stop here. Do not answer what was said last, and call no tool. Write a summary of this conversation instead: it will \
take the place of everything above, and whoever goes on with the work will know nothing but your summary.

Write down, in this order:
1. What the user wants: every request, condition and preference that still holds, as closely worded as it matters, and \
rules given by developer or system messages within the conversation.
2. What was done and found out so far, with the exact names, paths, identifiers, figures, commands, code and error \
messages that will be needed again.
3. What was decided, and why; what was tried and did not work.
4. Where the work stands: what is finished, what is open, what was about to be done next, and any question that waits \
for an answer.

Keep facts, leave out how they were arrived at. Repeat what earlier summaries say, for they will be gone as well. \
Write nothing but the summary, in the language of the conversation."""

_NOT_FOR_A_SUMMARY = (
    "context_management",
    "include",
    "max_completion_tokens",
    "max_output_tokens",
    "max_tokens",
    "max_tool_calls",
    "stop",
    "text",
    "top_logprobs",
)
"""What the client says of its answer; a summary is none."""

_LEFT_OUT = (CompactionTrigger, ConfigurationUpdate)


def summarising(request: ResponsesRequest) -> ResponsesRequest:
    """Returns the request that asks for a summary of the input.

    It begins as the conversation does, with the same instructions and tools, so that the upstream's prompt cache hits;
    and what is too long even to be summarised is shortened from its beginning, unless the client has forbidden it.
    """
    asking = request.copy()
    for name in _NOT_FOR_A_SUMMARY:
        asking.drop(name)
    if request.value("truncation") is None:
        asking.set("truncation", "auto")
    if asking.tools:
        asking.set("tool_choice", "none")
    else:
        asking.drop("tool_choice")
    items = zip(request.items, request.raw_items, strict=True)
    kept = [raw for item, raw in items if not isinstance(item, _LEFT_OUT)]
    prompt = Raw(msgspec.json.encode({"type": "message", "role": "user", "content": PROMPT}))
    asking.put_items([*kept, prompt])
    return asking
