"""What the server does otherwise for clients that come from another gateway (`compat:` of the file)."""

from __future__ import annotations

from aiohttp import web

from ..litellm.answers import with_both, with_code

_PATHS = {
    "/health/liveliness": "/healthz",
    "/health/liveness": "/healthz",
    "/health/readiness": "/readyz",
}


class Compat:
    """Other names of paths, and other bodies of answers that are not streamed."""

    def path(self, path: str) -> str:
        """Returns what a path is called here."""
        return _PATHS.get(path, path)

    def answer(self, response: web.StreamResponse) -> web.StreamResponse:
        """Returns an answer as those clients expect it."""
        if isinstance(response, web.Response) and response.content_type == "application/json":
            body = response.body
            if isinstance(body, bytes) and "content-encoding" not in response.headers:
                response.body = with_code(body, response.status) if response.status >= 400 else with_both(body)
        return response
