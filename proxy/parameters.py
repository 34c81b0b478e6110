"""Reaches parameters of a request by name, also those inside others: `reasoning.effort` is effort inside reasoning."""

from __future__ import annotations

from typing import Any

from .request import ModelRequest

OUTPUT_LIMITS = ("max_output_tokens", "max_completion_tokens", "max_tokens")
"""One parameter under its three names, of which clients may use any."""


def value(request: ModelRequest, name: str) -> Any:
    """Returns a parameter, `a.b` being b inside a; None when it is absent."""
    first, *inner = name.split(".")
    found = request.get(first)
    for step in inner:
        found = found.get(step) if isinstance(found, dict) else None
    return found


def put(request: ModelRequest, name: str, value: Any) -> None:
    """Sets a parameter. What is no object has nothing inside: it is left for the request's own check to refuse."""
    first, *inner = name.split(".")
    if not inner:
        request.set(first, value)
        return
    whole = request.get(first, {})
    place = whole
    for step in inner[:-1]:
        if not isinstance(place, dict):
            return
        if place.get(step) is None:
            place[step] = {}
        place = place[step]
    if isinstance(place, dict):
        place[inner[-1]] = value
        request.set(first, whole)


def drop(request: ModelRequest, name: str) -> None:
    """Removes a parameter, if it is there."""
    first, *inner = name.split(".")
    if not inner:
        request.drop(first)
        return
    whole = place = request.get(first)
    for step in inner[:-1]:
        place = place.get(step) if isinstance(place, dict) else None
    if isinstance(place, dict) and inner[-1] in place:
        del place[inner[-1]]
        request.set(first, whole)


def spellings(request: ModelRequest, name: str) -> tuple[str, ...]:
    """Returns the names under which a request has a parameter; the given one where it is absent."""
    if name not in OUTPUT_LIMITS:
        return (name,)
    return tuple(one for one in OUTPUT_LIMITS if request.get(one) is not None) or (name,)
