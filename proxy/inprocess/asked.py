"""What every caller of a pipeline has: its services, and the key it asks with."""

from __future__ import annotations

from typing import Any

import msgspec

from .call import Call
from .services import Services


class Asked:
    """Base of what calls are made on. `api_key` is presented to the pipeline's `auth` stage, if it has one."""

    def __init__(self, services: Services, api_key: str | None = None) -> None:
        self._services = services
        self._api_key = api_key

    def _call(self, asked: dict[str, Any], body: dict[str, Any] | None = None) -> Call:
        call = Call.of({**(body or {}), **asked})
        return call if call.api_key is not None else msgspec.structs.replace(call, api_key=self._api_key)

    def __del__(self) -> None:
        services = getattr(self, "_services", None)
        if services is not None:
            services.close_soon()


def of_body(**fields: Any) -> dict[str, Any]:
    """Returns those fields of a request's body that were given."""
    return {name: value for name, value in fields.items() if value is not None}
