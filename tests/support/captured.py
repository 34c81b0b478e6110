"""The requests that real clients were captured sending, when they are there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import pytest

from .fixtures import SHARED

STATEFUL = ("previous_response_id", "conversation", "background")
_STATEFUL_ITEMS = ("item_reference", "compaction", "compaction_trigger")


class Captured(NamedTuple):
    """One request: `client/case#n`, and its body."""

    name: str
    body: dict[str, Any]

    @property
    def raw(self) -> bytes:
        """The body as bytes."""
        return json.dumps(self.body, ensure_ascii=False).encode()

    @property
    def needs_store(self) -> str | None:
        """What of it only a server with a store can serve, if anything."""
        for name in STATEFUL:
            if self.body.get(name):
                return name
        items = self.body["input"] if isinstance(self.body.get("input"), list) else []
        kinds = [item.get("type") for item in items]
        return next((kind for kind in _STATEFUL_ITEMS if kind in kinds), None)


def _read() -> Iterator[Captured]:
    if SHARED is None:
        return
    for path in sorted((SHARED / "clients").glob("*/*.json")):
        for request in json.loads(path.read_text())["requests"]:
            if request["method"] == "POST" and request["path"].endswith("/responses"):
                yield Captured(f"{path.parent.name}/{path.stem}#{request['n']}", request["body"])


CAPTURED = list(_read())


def for_each(requests: Iterable[Captured]) -> Callable[[Callable[[Captured], None]], Callable[[str], None]]:
    """Makes of a test of one request a test of each client's; a failure names the request."""
    groups: dict[str, list[Captured]] = {}
    for request in requests:
        groups.setdefault(request.name.partition("/")[0], []).append(request)

    def decorate(test: Callable[[Captured], None]) -> Callable[[str], None]:
        @pytest.mark.parametrize("client", groups)
        def run(client: str) -> None:
            for request in groups[client]:
                try:
                    test(request)
                except BaseException as error:
                    error.add_note(f"the request is {request.name}")
                    raise

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run

    return decorate


def captured(name: str) -> dict[str, Any]:
    """Returns the body of one request, by its name."""
    return next(one.body for one in CAPTURED if one.name == name)
