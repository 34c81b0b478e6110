"""Reads `upstreams:`, each by the config struct of its kind."""

from __future__ import annotations

from collections.abc import Mapping as Table

import msgspec

from ..providers.provider import Provider
from ..providers.vendors import Vendor
from .decode import decode
from .file import Skipped, UpstreamEntry
from .nodes import Entry, Mapping, Node, Scalar, plain
from .problems import Problems, instead
from .types import Sources, shown


class Upstreams(msgspec.Struct):
    """What `upstreams:` says: the ones in use, those left out on this machine, and all names, wrong ones too.

    `provided` are those that the environment provides, not the file.
    """

    used: dict[str, UpstreamEntry] = {}
    skipped: dict[str, Skipped] = {}
    names: tuple[str, ...] = ()
    provided: dict[str, Vendor] = {}


def read_upstreams(node: Node, kinds: Table[str, type[Provider]], problems: Problems, sources: Sources) -> Upstreams:
    """Returns the upstreams; one with a mistake is among the names only."""
    if not isinstance(node, Mapping) or not node.entries:
        found = "is empty" if not plain(node) else f"expected a mapping, found {shown(plain(node))}"
        problems.error(node.place, f"upstreams: {found}", "write each upstream as name: {kind: ..., ...}")
        return Upstreams()
    result = Upstreams(names=tuple(node.entries))
    for name, entry in node.entries.items():
        if "/" in name or "*" in name or not name:
            problems.error(entry.key, f'upstreams: the name "{name}" is not allowed', 'leave out "/" and "*"')
            continue
        variable = _required_variable(entry.value)
        skip = bool(variable) and not sources.environ.get(variable, "").strip()
        read = read_upstream(
            name, entry, kinds, problems, msgspec.structs.replace(sources, resolve=sources.resolve and not skip)
        )
        if read is not None and skip:
            result.skipped[name] = Skipped("upstream", name, f"environment variable {variable} is not set")
        elif read is not None:
            result.used[name] = read
    return result


def read_upstream(
    name: str, entry: Entry, kinds: Table[str, type[Provider]], problems: Problems, sources: Sources
) -> UpstreamEntry | None:
    """Returns one upstream, or None after reporting what is wrong with it."""
    owner, node = f"upstreams.{name}", entry.value
    if not isinstance(node, Mapping):
        problems.error(node.place, f"{owner}: expected a mapping, found {shown(plain(node))}", "write {kind: ..., ...}")
        return None
    kind = node.entries.get("kind")
    if kind is None:
        problems.error(
            node.place, f'{owner}: "kind" is missing', f'add "kind: ..."; one of: {", ".join(sorted(kinds))}'
        )
        return None
    provider = kinds.get(kind.value.text) if isinstance(kind.value, Scalar) else None
    if provider is None:
        what = f"{owner}: unknown kind {shown(plain(kind.value))}"
        problems.error(kind.value.place, what, instead(str(plain(kind.value)), kinds))
        return None
    settings = Mapping(node.place, {key: value for key, value in node.entries.items() if key != "kind"})
    for key, text in provider.Config.implied(plain(settings), sources.environ).items():
        settings.entries.setdefault(key, Entry(node.place, Scalar(node.place, text, text, quoted=True)))
    config = decode(settings, provider.Config, owner, problems, sources)
    return None if config is None else UpstreamEntry(name, provider, config, entry.key)


def _required_variable(node: Node) -> str:
    """Returns the environment variable that an upstream names as its condition, or nothing."""
    entry = node.entries.get("requires_env") if isinstance(node, Mapping) else None
    return entry.value.text if entry is not None and isinstance(entry.value, Scalar) else ""
