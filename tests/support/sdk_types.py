"""Validates events and objects with the types of the `openai` SDK, as strictly as those allow."""

from __future__ import annotations

from typing import Any, get_args

from openai.types.responses import Response, ResponseError, ResponseStreamEvent
from pydantic import BaseModel

EVENTS: dict[str, type[BaseModel]] = {
    get_args(model.model_fields["type"].annotation)[0]: model for model in get_args(get_args(ResponseStreamEvent)[0])
}
KNOWN_CODES = get_args(ResponseError.model_fields["code"].annotation)


def check_event(event: dict[str, Any]) -> None:
    """Raises pydantic's ValidationError when the SDK's type of that event does not take it."""
    if "response" in event:
        event = {**event, "response": _known_code(event["response"])}
    EVENTS[event["type"]].model_validate(event, strict=True)


def check_object(response: dict[str, Any]) -> None:
    """Raises pydantic's ValidationError when the SDK's Response does not take the object."""
    Response.model_validate(_known_code(response), strict=True)


def _known_code(response: dict[str, Any]) -> dict[str, Any]:
    """Replaces an error code that is not in the SDK's list: real traffic goes beyond it, and no SDK checks it."""
    error = response["error"]
    if error is None or error["code"] in KNOWN_CODES:
        return response
    return {**response, "error": {**error, "code": KNOWN_CODES[0]}}
