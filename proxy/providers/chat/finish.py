"""Why chat completions end, in the words of many servers (wire reference, section 5.4)."""

from __future__ import annotations

from collections.abc import Mapping

from ...events import FinishReason

FINISH: Mapping[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "max_output_tokens": "length",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
}
"""What is not `stop`; every other word is, in lower case."""

FAILED_FINISH = frozenset(("error", "abort", "insufficient_system_resource"))
"""What is no end but a failure."""
