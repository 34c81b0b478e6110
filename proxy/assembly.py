"""Makes a running pipeline out of a checked configuration."""

from __future__ import annotations

from pathlib import Path

from .config.file import Config, StageEntry
from .models import ModelTable
from .pipeline import Pipeline, Settings
from .providers.provider import Deployment
from .stage import Stage
from .stores.config import NoneConfig, make_conversations, make_store


def assemble(config: Config) -> Pipeline:
    """Returns the pipeline of a configuration, not yet started: upstreams, the models on them, the stages."""
    providers = {name: entry.provider(name, entry.config) for name, entry in config.upstreams.items()}
    models = {
        name: [Deployment(providers[one.upstream], one.model, one.weight) for one in entries]
        for name, entries in config.models.items()
    }
    directory = Path(config.file).parent
    responses = config.stores.responses
    unavailable = {one.name: one.reason for one in config.skipped if one.kind == "model"}
    return Pipeline(
        [_stage(entry, directory) for entry in config.pipeline],
        ModelTable(models, unavailable),
        providers,
        store=make_store(responses, directory),
        conversations=make_conversations(responses, directory),
        settings=Settings(
            keepalive_s=float(config.limits.keepalive_comment),
            keep_s=0.0 if isinstance(responses, NoneConfig) else float(responses.keep),
            resume_s=0.0 if isinstance(responses, NoneConfig) else float(responses.resume),
            background=config.limits.background,
            background_waiting=config.limits.background_waiting,
        ),
    )


def _stage(entry: StageEntry, directory: Path) -> Stage:
    stage = entry.stage(entry.config)
    stage.directory = directory
    return stage
