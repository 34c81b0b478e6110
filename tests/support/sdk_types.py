"""Validates events and objects with the types of the `openai` SDK, as strictly as those allow."""

from __future__ import annotations

from typing import Any, get_args

from openai.types.responses import Response, ResponseError, ResponseStreamEvent
from pydantic import BaseModel

EVENTS: dict[str, type[BaseModel]] = {
    get_args(model.model_fields["type"].annotation)[0]: model for model in get_args(get_args(ResponseStreamEvent)[0])
}
KNOWN_CODES = get_args(ResponseError.model_fields["code"].annotation)
KNOWN_TIERS = get_args(get_args(Response.model_fields["service_tier"].annotation)[0])


def check_event(event: dict[str, Any]) -> None:
    """Raises pydantic's ValidationError when the SDK's type of that event does not take it."""
    if "response" in event:
        event = {**event, "response": _known_values(event["response"])}
    EVENTS[event["type"]].model_validate(event, strict=True)


def check_object(response: dict[str, Any]) -> None:
    """Raises pydantic's ValidationError when the SDK's Response does not take the object."""
    Response.model_validate(_known_values(response), strict=True)


def _known_values(response: dict[str, Any]) -> dict[str, Any]:
    """Replaces values that upstreams choose and that are not in the SDK's lists: no SDK checks those."""
    error, tier = response["error"], response["service_tier"]
    if error is not None and error["code"] not in KNOWN_CODES:
        response = {**response, "error": {**error, "code": KNOWN_CODES[0]}}
    return response if tier in KNOWN_TIERS else {**response, "service_tier": KNOWN_TIERS[0]}
