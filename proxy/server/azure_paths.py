"""Where Azure's clients ask for what others ask below `/v1`."""

from __future__ import annotations

from typing import NamedTuple

from aiohttp import web

DEPLOYMENT = web.RequestKey("deployment", str)
"""The key under which a request remembers the model that its path names."""

_ROOT = "/openai"
_DEPLOYMENTS = "/deployments/"
_BELOW_DEPLOYMENTS = (
    "/audio/speech",
    "/audio/transcriptions",
    "/audio/translations",
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/images/edits",
    "/images/generations",
    "/responses",
)
"""What is asked of one model; the longer of two that end alike comes first."""


class Place(NamedTuple):
    """A path below `/v1`, and the model that stood in front of it, if any did."""

    path: str
    model: str | None = None


def read_path(path: str) -> Place:
    """Returns what a path is about, whether it has `/v1`, `/openai/v1`, `/openai` or nothing in front.

    The name of a deployment may hold slashes, as names of models do.
    """
    if path.startswith(f"{_ROOT}/"):
        path = path[len(_ROOT) :]
        if path.startswith(_DEPLOYMENTS):
            return _of_deployment(path[len(_DEPLOYMENTS) - 1 :]) or Place(path)
    if path.startswith("/v1/"):
        path = path[3:]
    if path != "/" and path.endswith("/"):
        path = path.rstrip("/")
    return Place(path)


def _of_deployment(path: str) -> Place | None:
    path = path.rstrip("/")
    for below in _BELOW_DEPLOYMENTS:
        if path.endswith(below) and path != below:
            return Place(below, path[1 : -len(below)])
    name, slash, below = path[1:].partition("/")
    return Place(slash + below, name) if name and below else None
