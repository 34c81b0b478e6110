"""Images that a model has made, in the form that gateways have agreed on: `message.images`, with data addresses.

The API itself has no word for them; OpenRouter and LiteLLM write and read them so, and vendors' servers do too:
`{"type": "image_url", "image_url": {"url": "data:image/png;base64,..."}, "index": 0}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FIELD = "images"

_ITEM = "image_generation_call"
_KINDS = {"iVBOR": "png", "/9j/": "jpeg", "UklGR": "webp", "R0lGO": "gif"}
"""How the base64 of each kind of image begins."""
_DEFAULT = "png"


def image_object(item: Mapping[str, Any], index: int) -> dict[str, Any] | None:
    """Returns the entry of `images` for an output item of the Responses API; None for an item that is no image."""
    result = item.get("result")
    if item.get("type") != _ITEM or not isinstance(result, str) or not result:
        return None
    url = f"data:image/{image_format(result, item.get('output_format'))};base64,{result}"
    return {"type": "image_url", "image_url": {"url": url}, "index": index}


def image_items(images: Any) -> list[dict[str, Any]]:
    """Returns the items of the Responses API for what a message's `images` hold; what is none is left out."""
    items: list[dict[str, Any]] = []
    for image in images if isinstance(images, list) else ():
        address = image.get("image_url") if isinstance(image, dict) else None
        url = address.get("url") if isinstance(address, dict) else address
        head, _, data = url.partition(",") if isinstance(url, str) else ("", "", "")
        if data and head.startswith("data:image/") and head.endswith(";base64"):
            kind = head.removeprefix("data:image/").partition(";")[0]
            items.append({"type": _ITEM, "status": "completed", "result": data, "output_format": kind})
    return items


def image_format(data: str, named: Any = None) -> str:
    """Returns the kind of an image in base64: as it is named, or else as its first bytes say."""
    if isinstance(named, str) and named:
        return named
    return next((kind for begin, kind in _KINDS.items() if data.startswith(begin)), _DEFAULT)
