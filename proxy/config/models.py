"""Reads `models:`: the names clients ask for, and the deployments that serve each."""

from __future__ import annotations

from .decode import decode
from .file import DeploymentEntry, ModelTarget, Skipped
from .nodes import Mapping, Node, Scalar, Sequence, plain
from .problems import Problems, instead
from .types import Sources, shown
from .upstreams import Upstreams

Models = dict[str, tuple[DeploymentEntry, ...]]


def read_models(node: Node, upstreams: Upstreams, problems: Problems) -> tuple[Models, list[Skipped]]:
    """Returns the models, and those left out because all their upstreams are."""
    models: Models = {}
    skipped: list[Skipped] = []
    if not isinstance(node, Mapping) or not node.entries:
        found = "is empty" if not plain(node) else f"expected a mapping, found {shown(plain(node))}"
        problems.error(node.place, f"models: {found}", "write each model as name: [upstream/model]")
        return models, skipped
    for name, entry in node.entries.items():
        if name.count("*") > 1:
            problems.error(entry.key, f'models: "{name}" holds more than one "*"', "keep one of them")
            continue
        targets = _targets(name, entry.value, upstreams, problems)
        left = tuple(target for target in targets if target.upstream not in upstreams.skipped)
        if left:
            models[name] = left
        elif targets:
            reasons = dict.fromkeys(upstreams.skipped[target.upstream].reason for target in targets)
            skipped.append(Skipped("model", name, "; ".join(reasons)))
    return models, skipped


def _targets(name: str, node: Node, upstreams: Upstreams, problems: Problems) -> list[DeploymentEntry]:
    """Returns the deployments of one model, wrong ones left out."""
    items = node.items if isinstance(node, Sequence) else [node]
    if not items or (isinstance(node, Scalar) and node.value is None):
        problems.error(node.place, f"models.{name}: no upstream serves it", "write [upstream/model]")
        return []
    found = []
    for index, item in enumerate(items):
        owner = f"models.{name}[{index}]" if isinstance(node, Sequence) else f"models.{name}"
        target = _target(owner, item, upstreams, problems, wildcard="*" in name)
        if target is not None:
            found.append(target)
    return found


def _target(
    owner: str, node: Node, upstreams: Upstreams, problems: Problems, *, wildcard: bool
) -> DeploymentEntry | None:
    use, weight, timeouts = node, 1.0, None
    if isinstance(node, Mapping):
        target = decode(node, ModelTarget, owner, problems, Sources({}))
        if target is None:
            return None
        use, weight, timeouts = node.entries["use"].value, target.weight, target.timeouts
    if not isinstance(use, Scalar) or use.value is None:
        problems.error(
            use.place, f"{owner}: expected upstream/model, found {shown(plain(use))}", "write upstream/model"
        )
        return None
    upstream, slash, model = use.text.partition("/")
    if not slash or not model:
        problems.error(use.place, f'{owner}: "{use.text}" is no upstream/model', _suggestion(use.text, upstreams))
    elif upstreams.names and upstream not in upstreams.names:
        problems.error(use.place, f'{owner}: unknown upstream "{upstream}"', instead(upstream, upstreams.names))
    elif "*" in model and not wildcard:
        problems.error(use.place, f'{owner}: "*" stands for nothing here', 'put a "*" in the name of the model too')
    elif model.count("*") > 1:
        problems.error(use.place, f'{owner}: "{use.text}" holds more than one "*"', "keep one of them")
    else:
        return DeploymentEntry(upstream, model, weight, timeouts)
    return None


def _suggestion(text: str, upstreams: Upstreams) -> str:
    if text.rstrip("/") in upstreams.names:
        return f"add the name of the model: {text.rstrip('/')}/..."
    return f"write {upstreams.names[0] if upstreams.names else 'upstream'}/{text.strip('/') or 'model'}"
