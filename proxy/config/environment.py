"""Reads `providers: env`: every provider that the environment has a key for, under its name."""

from __future__ import annotations

from collections.abc import Mapping as Table

from ..providers.provider import Provider
from ..providers.vendors import VENDORS, Vendor
from .file import DeploymentEntry, Skipped, UpstreamEntry
from .models import Models
from .nodes import Entry, Mapping, Scalar
from .problems import Place, Problems
from .types import Sources
from .upstreams import Upstreams, read_upstream


def add_upstreams(upstreams: Upstreams, kinds: Table[str, type[Provider]], sources: Sources, place: Place) -> None:
    """Adds an upstream for each provider that the file names none for; those that lack something are left out.

    What the environment says about one is no part of the file: a mistake there keeps nothing else from being served.
    """
    for vendor in VENDORS:
        if vendor.kind not in kinds or not vendor.in_environment or vendor.prefix in upstreams.names:
            continue
        missing = vendor.missing(sources.environ)
        found = _missing(vendor, missing) if missing else _read(vendor, kinds, sources, place)
        if isinstance(found, Skipped):
            upstreams.skipped[vendor.prefix] = found
        else:
            upstreams.used[vendor.prefix] = found
        upstreams.names = (*upstreams.names, vendor.prefix)
        upstreams.provided[vendor.prefix] = vendor


def add_models(models: Models, upstreams: Upstreams, named: Table[str, object]) -> list[Skipped]:
    """Adds the names that say whose model they are, as far as the file has not `named` them; returns those left out."""
    unserved: list[Skipped] = []
    for vendor in upstreams.provided.values():
        names = {f"{prefix}/*": "*" for prefix in (vendor.prefix, *vendor.also)}
        names |= {pattern: pattern for pattern in vendor.bare}
        for name, model in names.items():
            skipped = upstreams.skipped.get(vendor.prefix)
            if name in named:
                continue
            if skipped is None:
                models[name] = (DeploymentEntry(vendor.prefix, model),)
            else:
                unserved.append(Skipped("model", name, skipped.reason, skipped.missing))
    return unserved


def _missing(vendor: Vendor, missing: tuple[str, ...]) -> Skipped:
    some = len(missing) > 1
    reason = f"environment variable{'s' if some else ''} {' and '.join(missing)} {'are' if some else 'is'} not set"
    return Skipped("upstream", vendor.prefix, reason, missing)


def _read(vendor: Vendor, kinds: Table[str, type[Provider]], sources: Sources, place: Place) -> UpstreamEntry | Skipped:
    """Returns the upstream of a provider, or what is wrong with it."""
    problems = Problems("")
    settings = {
        key: Entry(place, Scalar(place, value, value, quoted=True))
        for key, value in vendor.settings(sources.environ).items()
    }
    read = read_upstream(vendor.prefix, Entry(place, Mapping(place, settings)), kinds, problems, sources)
    if read is not None:
        return read
    wrong = problems.errors[0]
    what = wrong.what.removeprefix(f"upstreams.{vendor.prefix}: ")
    return Skipped("upstream", vendor.prefix, f"{what} ({wrong.fix})" if wrong.fix else what)
