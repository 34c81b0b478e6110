"""How much a model is to think: what the client asks for as an effort, in the fields that each family knows.

Claude's are those of its own API; other makers' differ (wire reference, section 8.6). They travel in
`additionalModelRequestFields`, which Bedrock hands to the model as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .families import EffortForm

Hint = Callable[[str], None]

_NEAREST = {"minimal": "low", "xhigh": "high", "max": "high"}
_FIELD = "reasoning.effort"
UNLIMITED_EFFORT = "high"
"""The effort with which Nova takes no limit and no sampling."""


def effort_fields(form: EffortForm, effort: str | None, hint: Hint) -> dict[str, Any]:
    """Returns the fields for a model that is no Claude; `hint` is told of an effort that has no effect."""
    if effort is None:
        return {}
    nearest = _NEAREST.get(effort, effort)
    if form == "reasoning":
        return {"reasoning": {"effort": effort}}
    if form == "reasoning_config" and effort != "none":
        return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": nearest}}
    if form == "reasoning_effort" and effort != "none":
        return {"reasoning_effort": nearest}
    if effort != "none" or form == "reasoning_effort":
        hint(_FIELD)  # what thinks by itself cannot be told not to; Nova does so only when told
    return {}


def takes_no_limits(fields: dict[str, Any]) -> bool:
    """Tells whether these fields leave no room for a limit of the answer, temperature and top_p."""
    config = fields.get("reasoningConfig")
    return isinstance(config, dict) and config.get("maxReasoningEffort") == UNLIMITED_EFFORT
