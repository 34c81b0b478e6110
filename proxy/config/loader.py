"""Loads a `pipeline.yaml`: every mistake in it is found before the first request, by line and column."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from collections.abc import Mapping as Table
from pathlib import Path

import msgspec

from ..providers import registry as providers_registry
from ..providers.provider import Provider
from ..registry import installed_stages
from ..stage import Stage
from .decode import decode
from .environment import add_models, add_upstreams
from .file import Config, File, processors
from .listen import Listen
from .models import read_models
from .nodes import Entry, Mapping, Node, Scalar, compose, plain, read
from .order import who_sets
from .pipeline import Pipeline, check_models, read_pipeline
from .prices import read_prices
from .problems import Place, Problems, instead
from .types import Sources, shown
from .upstreams import Upstreams, read_upstreams

_SECTIONS = ("upstreams", "models", "pipeline", "prices")


def load(
    path: str | Path,
    *,
    environ: Table[str, str] = os.environ,
    providers: Table[str, type[Provider]] | None = None,
    stages: Table[str, type[Stage]] | None = None,
) -> Config:
    """Returns the configuration of a file; raises ConfigError with all its mistakes, ConfigMissing without a file.

    `providers` and `stages` are by default all that are installed.
    """
    path = Path(path)
    text = read(path, str(path))
    sources = Sources(environ, path.parent)
    return load_text(text, str(path), sources=sources, providers=providers, stages=stages)


def load_text(
    text: str,
    name: str,
    *,
    sources: Sources | None = None,
    providers: Table[str, type[Provider]] | None = None,
    stages: Table[str, type[Stage]] | None = None,
) -> Config:
    """Returns the configuration of a file's text; `name` is what messages call it. Raises ConfigError."""
    problems = Problems(name)
    root = compose(text, problems)
    if root is not None and not isinstance(root, Mapping):
        what = f"expected upstreams, models and pipeline, found {shown(plain(root))}"
        problems.error(root.place, what, "write each as key: value, with a space after the colon")
    if not isinstance(root, Mapping):
        problems.stop()
        raise AssertionError("no root without a problem")
    reading = _Reading(
        root,
        problems,
        sources or Sources(),
        providers_registry.kinds() if providers is None else providers,
        installed_stages() if stages is None else stages,
    )
    config = reading.config(name)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return msgspec.structs.replace(config, digest=digest)


class _Reading:
    """One file on its way from nodes to a Config."""

    def __init__(
        self,
        root: Mapping,
        problems: Problems,
        sources: Sources,
        providers: Table[str, type[Provider]],
        stages: Table[str, type[Stage]],
    ) -> None:
        self.root = root
        self.problems = problems
        self.sources = sources
        self.providers = providers
        self.stages = stages

    def config(self, name: str) -> Config:
        """Returns the configuration, or raises ConfigError with everything that is wrong with the file."""
        problems = self.problems
        file = decode(self._settings(), File, "", problems, self.sources)
        upstreams, models, pipeline, prices = map(self._section, _SECTIONS)
        where = Upstreams() if upstreams is None else read_upstreams(upstreams, self.providers, problems, self.sources)
        provided = file is not None and file.providers == "env"
        if provided:
            add_upstreams(where, self.providers, self.sources, self._place("providers"))
        what, unserved = ({}, []) if models is None else read_models(models, where, problems)
        if provided:
            named = models.entries if isinstance(models, Mapping) else {}
            unserved += add_models(what, where, named)
        order = Pipeline() if pipeline is None else read_pipeline(pipeline, self.stages, problems, self.sources)
        if isinstance(models, Mapping):
            check_models(order, [*models.entries, *what, *(one.name for one in unserved)], problems)
        costs = read_prices(prices, models, where.names, problems)
        if file is not None and not file.listen.loopback and order.lacks("key"):
            self._refuse_reach(file.listen)
        if file is not None and file.default_upstream not in (None, *where.names):
            self._refuse_default(str(file.default_upstream), where.names)
        if unserved and not what:
            problems.warning(
                self._place("models"), "no model is left to serve", "set a variable that an upstream requires"
            )
        problems.stop()
        assert file is not None
        return Config(
            file=name,
            listen=file.listen,
            workers=processors() if file.workers == "auto" else file.workers,
            limits=file.limits,
            stores=file.stores,
            secret=file.secret,
            admin=file.admin,
            compat=file.compat,
            server_timing=file.server_timing,
            default_upstream=file.default_upstream,
            upstreams=where.used,
            models=what,
            prices=costs,
            pipeline=tuple(order.entries),
            skipped=(*where.skipped.values(), *unserved),
            warnings=problems.warnings,
        )

    def _settings(self) -> Mapping:
        """Returns the file without what its sections hold: those are read one by one."""
        kept = {
            name: Entry(entry.key, Scalar(entry.value.place, None, "", quoted=False)) if name in _SECTIONS else entry
            for name, entry in self.root.entries.items()
        }
        return Mapping(self.root.place, kept)

    def _refuse_reach(self, listen: Listen) -> None:
        """Reports an address that other machines can reach when nobody asks them for a key."""
        self.problems.error(
            self._place("listen"),
            f"listen: {listen.written} is open to other machines, and no stage asks them for a key",
            f"add {who_sets('key', self.stages)} to the pipeline, or listen on 127.0.0.1:{listen.port}",
        )

    def _refuse_default(self, name: str, known: Iterable[str]) -> None:
        """Reports a default upstream that is none."""
        self.problems.error(
            self._place("default_upstream"), f'default_upstream: there is no upstream "{name}"', instead(name, known)
        )

    def _section(self, name: str) -> Node | None:
        entry = self.root.entries.get(name)
        return None if entry is None else entry.value

    def _place(self, name: str) -> Place:
        node = self._section(name)
        return self.root.place if node is None else node.place
