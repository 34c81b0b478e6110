"""Which names of tools are the client's own words: those under which it has declared them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..api.responses.request import ResponsesRequest
from ..errors import BadRequest

if TYPE_CHECKING:
    from ..exchange import Exchange


def declared_by(exchange: Exchange) -> Callable[[str], bool]:
    """Returns what tells whether a client has declared a tool of a name, as the upstream or as the client writes it."""

    def is_declared(name: str) -> bool:
        names = _declared(exchange)
        forms = exchange.marks.get("tools")
        return name in names or (forms is not None and forms.lookup(name).name in names)

    return is_declared


def _declared(exchange: Exchange) -> set[str]:
    request = exchange.request
    if isinstance(request, ResponsesRequest):
        return {tool.name for tool in request.tools}
    try:
        listed: Any = [request.get("tools", []), request.get("functions", [])]
    except BadRequest:
        return set()
    tools = [tool for tools in listed if isinstance(tools, list) for tool in tools if isinstance(tool, dict)]
    forms = [tool.get(str(tool.get("type")), tool) for tool in tools]
    return {str(form.get("name")) for form in forms if isinstance(form, dict)}
