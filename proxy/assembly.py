"""Makes a running pipeline out of a checked configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from .auth.stage import KeyStage
from .config.file import Config, StageEntry
from .counters.config import make_counters
from .deferred import Deferred, load
from .errors import ConfigError, Problem
from .ledger.config import make_ledger
from .limiting.stage import LimitStage, join_neighbours
from .metrics.stage import MetricsStage
from .models import ModelTable
from .pipeline import Pipeline, Settings
from .pricing.book import PriceBook
from .providers.provider import Deployment
from .routing.stage import RoutingStage
from .sealing import Sealing, key_in
from .stage import Stage
from .stores.config import NoneConfig, SqliteConfig, make_conversations, make_store
from .stores.conversations import ConversationStore
from .stores.store import ResponseStore

if TYPE_CHECKING:
    from .ledger import stage as ledger_stage
    from .litellm import compat
else:
    ledger_stage, compat = Deferred("proxy.ledger.stage"), Deferred("proxy.litellm.compat")

KEY_FILE = "PENSTOCK_KEY_FILE"
"""The variable that names the file in which workers without a store on disk share their key."""


def assemble(
    config: Config,
    *,
    store: ResponseStore | None = None,
    conversations: ConversationStore | None = None,
    sealing: Sealing | None = None,
) -> Pipeline:
    """Returns the pipeline of a configuration, not yet started: upstreams, the models on them, the stages.

    A store that is given stands for the one that the file would have, and `sealing` for a key of this process alone.
    """
    providers = {name: entry.provider(name, entry.config) for name, entry in config.upstreams.items()}
    models = {
        name: [Deployment(providers[one.upstream], one.model, one.weight, one.timeouts) for one in entries]
        for name, entries in config.models.items()
    }
    directory = Path(config.file).parent
    responses = config.stores.responses
    unavailable = {one.name: one.reason for one in config.skipped if one.kind == "model"}
    stages = [_stage(entry, directory) for entry in config.pipeline]
    if config.stores.ledger is not None:
        stages.append(ledger_stage.LedgerStage(make_ledger(config.stores.ledger, directory)))
    prices = PriceBook(config.prices)
    _limit(config, stages, prices)
    for stage in stages:
        if isinstance(stage, KeyStage):
            stage.key_store = config.stores.keys.file(directory)
    for stage in stages:
        if isinstance(stage, RoutingStage):
            stage.prices = prices
    pipeline = Pipeline(
        stages,
        ModelTable(models, unavailable),
        providers,
        store=make_store(responses, directory, config.stores.cold) if store is None else store,
        conversations=make_conversations(responses, directory) if conversations is None else conversations,
        sealing=_sealing(config, sealing),
        settings=Settings(
            keepalive_s=float(config.limits.keepalive_comment),
            keep_s=0.0 if isinstance(responses, NoneConfig) else float(responses.keep),
            resume_s=0.0 if isinstance(responses, NoneConfig) else float(responses.resume),
            background=config.limits.background,
            background_waiting=config.limits.background_waiting,
            prices=prices,
            default_upstream=config.default_upstream,
            max_upload_bytes=int(config.limits.upload),
            server_timing=config.server_timing,
        ),
    )
    for stage in stages:
        if isinstance(stage, MetricsStage):
            stage.parts = (*stages, *providers.values(), pipeline.store, pipeline.mirrors)
    if config.compat == "litellm":
        compat.adopt(pipeline)
    return pipeline


def load_for(config: Config) -> None:
    """Loads what this module needs for a configuration, and not for most others."""
    if config.stores.ledger is not None:
        load(ledger_stage)
    if config.compat == "litellm":
        load(compat)


def _limit(config: Config, stages: list[Stage], prices: PriceBook) -> None:
    """Gives the stages that limit something the counters and prices of the file; raises ConfigError."""
    limiting = [stage for stage in stages if isinstance(stage, LimitStage)]
    if not limiting:
        return
    directory, responses = Path(config.file).parent, config.stores.responses
    store = directory / Path(responses.path).expanduser() if isinstance(responses, SqliteConfig) else None
    try:
        counters = make_counters(config.stores.counters, store, directory)
    except (OSError, ValueError) as error:
        what = f"the counters of limits cannot be used: {error}"
        raise ConfigError([Problem(config.file, 1, 1, what, "mend it, or set stores.counters")]) from None
    for stage in limiting:
        stage.counters, stage.prices = counters, prices
    join_neighbours(stages)


def _sealing(config: Config, own: Sealing | None) -> Sealing:
    """Returns what seals: with the file's secrets, else with a key beside the store or that of the workers.

    Without any of them the key is one of this process, and what it has sealed is lost with it. Raises ConfigError.
    """
    if config.secret is not None:
        return Sealing(config.secret.reveal())
    responses = config.stores.responses
    path = Path(os.environ[KEY_FILE]) if KEY_FILE in os.environ else None
    if isinstance(responses, SqliteConfig):
        store = Path(config.file).parent / Path(responses.path).expanduser()
        path = store.with_name(f"{store.name}-key")
    if path is None or not path.parent.is_dir():  # a store whose directory is not there says so when it is opened
        return own or Sealing.fresh()
    try:
        return Sealing([key_in(path)])
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        what = f"the key that seals what clients carry cannot be used: {reason}"
        raise ConfigError([Problem(str(path), 1, 1, what, f"mend it, or add secret: to {config.file}")]) from None


def _stage(entry: StageEntry, directory: Path) -> Stage:
    stage = entry.stage(entry.config)
    stage.directory = directory
    return stage
