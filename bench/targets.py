"""What can be measured: the upstream itself, the bare pass-through, and Penstock in its ways."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import yaml

from .load import Dialect
from .processes import ROOT, Process

BASELINE = "pass-through"
_LISTENING = r"port (\d+)"
_SERVING = r"serves http://127\.0\.0\.1:(\d+)/"
_PENSTOCK = "import sys; from proxy.cli import main; sys.exit(main())"


class Target(msgspec.Struct, frozen=True):
    """Something that answers: its name, what its clients speak, how it is started, and what it says once it listens."""

    name: str
    dialect: Dialect
    command: tuple[str, ...] = ()
    ready: str = _LISTENING

    def start(self, directory: Path, cores: set[int]) -> Process:
        """Starts its process; files go to `directory`."""
        errors = directory / f"{self.name}.err"
        return Process(self.command, errors=errors, cores=cores)


UPSTREAM = Target("direct", "chat", ("-m", "bench.upstream"))


def known(upstream_port: int, directory: Path) -> dict[str, Target]:
    """Returns all targets by name, each in front of the upstream on that port."""
    url = f"http://127.0.0.1:{upstream_port}/v1"
    serve = ("-c", _PENSTOCK, "serve", "--port", "0", "--config", str(_pipeline(url, directory)))
    targets = [
        UPSTREAM,
        Target(BASELINE, "chat", ("-m", "bench.passthrough", url)),
        Target("penstock", "responses", serve, _SERVING),
        Target("penstock-chat", "chat", serve, _SERVING),
    ]
    return {target.name: target for target in targets}


NAMES = ("direct", BASELINE, "penstock", "penstock-chat")
"""The names of all targets."""


def _pipeline(url: str, directory: Path) -> Path:
    """Writes the file that Penstock serves: the shipped pipeline, its log in a file, one upstream for every model."""
    shipped = yaml.safe_load((ROOT / "pipeline.yaml").read_text())["pipeline"]
    log = {"log": {"to": str(directory / "exchanges.jsonl")}}
    config = {
        "upstreams": {"up": {"kind": "openai-compatible", "base_url": url}},
        "models": {"*": ["up/*"]},
        "pipeline": [log if "log" in stage else stage for stage in shipped],
    }
    path = directory / "pipeline.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML
    return path
