"""What can be measured: the upstream itself, bare pass-throughs, Penstock in its ways, other proxies."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path

import msgspec
import yaml

from .load import Dialect
from .peers import litellm, nginx
from .processes import ROOT, Process, StartFailed

BASELINE = "pass-through"
"""What ratios are to, where nothing else is said."""
DIRECT = "direct"
"""The upstream itself."""
_LISTENING = r"port (\d+)"
_SERVING = r"serves http://127\.0\.0\.1:(\d+)/"
_PENSTOCK = "import sys; from proxy.cli import main; sys.exit(main())"
_PATIENCE_S = 60.0
_MANY = 8192  # as many as nginx is given: all streams are to be open at once
_KEY = "pk-bench-0f3a5c7e9b1d2f4a6c8e0b3d5f7a9c1e"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Something that answers: its name, what its clients speak, how it is started, how it is known that it listens.

    It says its port (`ready` is the pattern of that line), or it is given one (`port`). Without a command it runs
    already, at `host`, `port` and the path `base`, with or without `tls`, perhaps as the process `pid`. `headers` are
    what its clients have to say besides; `model` is the name they ask for, where it cannot be any. One that is not
    `strict` leaves out things that the bench otherwise insists on, such as the numbers of events; what is said is
    checked all the same. One that is `slow` gets a scenario's lighter load, where it has one, and fewer turns.
    """

    name: str
    dialect: Dialect
    command: tuple[str, ...] = ()
    ready: str = _LISTENING
    port: int = 0
    headers: dict[str, str] = {}
    environment: dict[str, str] = {}
    strict: bool = True
    slow: bool = False
    host: str = "127.0.0.1"
    tls: bool = False
    base: str = "/v1"
    model: str = ""
    pid: int | None = None

    def start(self, directory: Path, cores: set[int]) -> Process:
        """Starts its process; files go to `directory`."""
        return Process(
            self.command,
            errors=directory / f"{self.name}.err",
            cores=cores,
            environment=self.environment,
            quiet=bool(self.port),
        )

    def listening(self, process: Process) -> int:
        """Waits until it listens, and returns the port; raises StartFailed when it does not."""
        return process.wait_for(self.port, _PATIENCE_S) if self.port else process.port(self.ready)


UPSTREAM = Target(name=DIRECT, dialect="chat", command=("python", "-m", "bench.upstream"))

BARE = "penstock-bare"
"""Penstock with two stages."""
_WITH = "penstock+"
STAGES = {
    "penstock+log": BARE,
    "penstock+metrics": BARE,
    "penstock+store": BARE,
    "penstock+auth": BARE,
    "penstock+rate-limit": "penstock+auth",
    "penstock+budget": "penstock+auth",
    "penstock+guardrail": BARE,
}
"""Targets that have one stage more than another: what it costs is the difference."""

NAMES = (
    DIRECT,
    BASELINE,
    "nginx",
    "penstock",
    "penstock-chat",
    BARE,
    "penstock-storeless",
    "penstock-pure",
    "penstock-policy",
    "penstock-guarded",
    "penstock-looking-behind",
    "litellm",
    *STAGES,
)
"""The names of all targets."""


def known(upstream_port: int, directory: Path) -> dict[str, Target]:
    """Returns all targets by name, each in front of the upstream on that port."""
    url = f"http://127.0.0.1:{upstream_port}/v1"
    shipped, bare = _serve("shipped", _shipped(), url, directory), _serve("bare", _BARE, url, directory)
    storeless = _serve("storeless", {**_shipped(), **_NO_STORE}, url, directory)
    pure = _serve("pure", _shipped(), url, directory)
    targets = [
        UPSTREAM,
        Target(name=BASELINE, dialect="chat", command=("python", "-m", "bench.passthrough", url)),
        _nginx(upstream_port, directory),
        Target(name="penstock", dialect="responses", command=shipped, ready=_SERVING),
        Target(name="penstock-chat", dialect="chat", command=shipped, ready=_SERVING),
        Target(name=BARE, dialect="responses", command=bare, ready=_SERVING),
        Target(name="penstock-storeless", dialect="responses", command=storeless, ready=_SERVING),
        Target(name="penstock-pure", dialect="responses", command=pure, ready=_SERVING, environment=_PURE),
        _policy(url, directory),
        _guarded("penstock-guarded", {"pattern": _DIGITS}, url, directory),
        _guarded("penstock-looking-behind", {"pattern": f"(?<=card ){_DIGITS}", "engine": "python"}, url, directory),
        _litellm(url, directory),
        *(_with_stage(name, url, directory) for name in STAGES),
    ]
    return {target.name: target for target in targets}


def missing(name: str) -> str | None:
    """Returns what is to be said of a target that is not on this machine, and how to get it; None for all others."""
    if name == "nginx" and nginx.program() is None:
        return "nginx is not installed (apt-get install nginx-light)"
    if name == "litellm" and not litellm.is_installed():
        return "LiteLLM is not installed (python -m bench.peers.litellm)"
    return None


def check_installed(name: str) -> None:
    """Raises StartFailed for a target that is not on this machine, saying how to get it."""
    if said := missing(name):
        raise StartFailed(said)


def _nginx(upstream_port: int, directory: Path) -> Target:
    port = free_port()
    return Target(name="nginx", dialect="chat", command=nginx.command(upstream_port, port, directory), port=port)


def _litellm(url: str, directory: Path) -> Target:
    port = free_port()
    return Target(
        name="litellm",
        dialect="responses",
        command=litellm.command(url, port, directory),
        port=port,
        headers={"authorization": f"Bearer {litellm.KEY}"},
        environment=litellm.ENVIRONMENT,
        strict=False,
        slow=True,
    )


_PURE = {"PENSTOCK_PURE": "1"}
_NO_STORE: dict[str, object] = {"stores": {"responses": {"kind": "none"}}}
_PRICES = {"bench-*": {"input": 1, "output": 4}}
_BARE: dict[str, object] = {**_NO_STORE, "pipeline": ["route", "stream-translate"]}


def _policies() -> dict[str, object]:
    """Returns the stages that a platform would set up, by name: nobody is refused, everybody is counted."""
    much = 1_000_000_000_000
    return {
        "auth": {"auth": {"keys": [{"id": "bench", "key": _KEY}]}},
        "rate-limit": {"rate-limit": {"requests_per_minute": much, "tokens_per_minute": much}},
        "budget": {"budget": {"usd": 1_000_000, "window": "30d"}},
        "guardrail": {"guardrail": {"rules": [{"name": "words", "words": _banned_words("ж")}]}},
    }


def _policy(url: str, directory: Path) -> Target:
    """Returns Penstock with all that a platform would set up."""
    settings: dict[str, object] = {
        **_NO_STORE,
        "models": {"*": [{"use": "up/*", "weight": 3}, {"use": "up/*", "weight": 1}]},
        "prices": _PRICES,
        "pipeline": [*_policies().values(), "route", "stream-translate", "log", "metrics"],
    }
    command = _serve("policy", settings, url, directory)
    headers = {"authorization": f"Bearer {_KEY}"}
    return Target(name="penstock-policy", dialect="responses", command=command, ready=_SERVING, headers=headers)


def _with_stage(name: str, url: str, directory: Path) -> Target:
    """Returns the bare Penstock with one stage more, or with the shipped store; limits want keys besides."""
    stage, below = name.removeprefix(_WITH), ["route", "stream-translate"]
    settings: dict[str, object] = {**_BARE, "prices": _PRICES}
    policies = _policies()
    if stage == "store":
        settings["stores"] = _shipped()["stores"]
    elif stage in policies:
        keys = [policies["auth"]] if STAGES[name] != BARE else []
        settings["pipeline"] = [*keys, policies[stage], *below]
    else:
        settings["pipeline"] = [*below, stage]
    command = _serve(f"with-{stage}", settings, url, directory)
    headers = {"authorization": f"Bearer {_KEY}"}
    return Target(name=name, dialect="responses", command=command, ready=_SERVING, headers=headers)


_DIGITS = r"\d{4}-\d{4}-\d{4}"


def _guarded(name: str, numbers: dict[str, str], url: str, directory: Path) -> Target:
    """Returns Penstock with a word list and a pattern for which text is held back, so that pieces are cut anew."""
    rules = [
        {"name": "words", "words": _banned_words("b"), "action": "mask"},
        {"name": "numbers", "match": "regex", "action": "mask", **numbers},
    ]
    settings = {**_BARE, "pipeline": [{"guardrail": {"rules": rules}}, "route", "stream-translate"]}
    command = _serve(name.removeprefix("penstock-"), settings, url, directory)
    return Target(name=name, dialect="responses", command=command, ready=_SERVING, strict=False)


def _banned_words(first: str) -> list[str]:
    """Returns a thousand words that no answer of the bench has; words of answers may begin as they do, or not."""
    return [f"{first}anned{number:04d}word" for number in range(1000)]


def _shipped() -> dict[str, object]:
    """Returns what the shipped pipeline.yaml says of stages and stores."""
    shipped = yaml.safe_load((ROOT / "pipeline.yaml").read_text())
    return {"stores": shipped["stores"], "pipeline": shipped["pipeline"]}


def _serve(name: str, settings: Mapping[str, object], url: str, directory: Path) -> tuple[str, ...]:
    """Writes a file for Penstock, with its log and store in `directory`, and returns what serves it."""
    config = json.loads(json.dumps(settings))
    config["upstreams"] = {"up": {"kind": "openai-compatible", "base_url": url, "max_connections": _MANY}}
    config.setdefault("models", {"*": ["up/*"]})
    log = {"log": {"to": str(directory / f"{name}.jsonl")}}
    config["pipeline"] = [log if stage == "log" or "log" in stage else stage for stage in config["pipeline"]]
    if config["stores"]["responses"].get("path"):
        config["stores"]["responses"]["path"] = str(directory / f"{name}.db")
    path = directory / f"{name}.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML
    return "python", "-c", _PENSTOCK, "serve", "--port", "0", "--config", str(path)


def free_port() -> int:
    """Returns a port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
