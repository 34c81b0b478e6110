"""The kinds of upstream that Penstock ships."""

from __future__ import annotations

from .provider import Provider

SHIPPED: tuple[type[Provider], ...] = ()


def kinds() -> dict[str, type[Provider]]:
    """Returns the provider of each `kind` that an upstream of the file may have."""
    return {provider.kind: provider for provider in SHIPPED}
