"""Reads `pipeline:`, each stage by itself, so that one bad stage hides no other."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Table

import msgspec

from ..patterns import stands_for
from ..stage import Stage, StageConfig
from .decode import decode
from .file import StageEntry
from .nodes import Entry, Mapping, Node, Scalar, Sequence, plain
from .order import Placed, check_order, who_sets
from .problems import Place, Problems, instead
from .shapes import child
from .types import Mistake, Sources, shown


class NamedModel(msgspec.Struct, frozen=True):
    """A model that a stage's settings name: where, and in the words of a message."""

    model: str
    owner: str
    place: Place


class Pipeline(msgspec.Struct):
    """What `pipeline:` says: its stages, those whose settings are right, and whether every entry was understood."""

    stages: list[Placed] = []
    entries: list[StageEntry] = []
    named: list[NamedModel] = []
    understood: bool = False

    def lacks(self, what: str) -> bool:
        """Tells whether no stage sets something; not when an entry that was not understood may be meant to."""
        return self.understood and not any(what in placed.stage.sets for placed in self.stages)


def read_pipeline(node: Node, known: Table[str, type[Stage]], problems: Problems, sources: Sources) -> Pipeline:
    """Returns the pipeline, after reporting what is wrong with its entries, their settings and their order."""
    result = Pipeline()
    if not isinstance(node, Sequence) or not node.items:
        found = "is empty" if not plain(node) else f"expected a list, found {shown(plain(node))}"
        problems.error(node.place, f"pipeline: {found}", 'write each stage as "- name"')
        return result
    for item in node.items:
        name, place, settings = _entry(item, known, problems)
        stage = _stage(name, place, known, problems, sources) if name else None
        if stage is None:
            continue
        result.stages.append(Placed(name, stage, place))
        config = decode(settings, stage.Config, name, problems, sources)
        if config is not None:
            result.entries.append(StageEntry(name, stage, config, place))
            result.named += _named(name, stage, config, settings)
            for steps, what, fix in stage.hints_of(config):
                _, place = _reached(name, settings, steps)
                problems.warning(place, f"{name}: {what}", fix)
    result.understood = len(result.stages) == len(node.items)
    check_order(result.stages, problems, complete=result.understood)
    required = [known[name] for placed in result.stages for name in placed.stage.requires if name in known]
    if result.lacks("plan") and not any("plan" in stage.sets for stage in required):
        problems.error(node.place, "no stage chooses an upstream", f"add {who_sets('plan', known)} to the pipeline")
    return result


def _named(name: str, stage: type[Stage], config: StageConfig, settings: Node) -> Iterator[NamedModel]:
    """Yields the models that a stage's settings name."""
    for steps, model in stage.models_of(config):
        yield NamedModel(model, *_reached(name, settings, steps))


def _reached(name: str, settings: Node, steps: Iterable[str | int]) -> tuple[str, Place]:
    """Returns what a setting is called in messages, and where it stands."""
    node, owner = settings, name
    for step in steps:
        node = child(node, step)
        owner += f"[{step}]" if isinstance(step, int) else f".{step}"
    return owner, node.place


def check_models(pipeline: Pipeline, served: Iterable[str], problems: Problems) -> None:
    """Reports models that stages name and the file does not serve; `served` are its names, wildcards too."""
    names = list(served)
    for named in pipeline.named:
        if not any(stands_for(pattern, named.model) for pattern in names):
            problems.error(named.place, f'{named.owner}: unknown model "{named.model}"', instead(named.model, names))


def _entry(item: Node, known: Table[str, type[Stage]], problems: Problems) -> tuple[str, Place, Node]:
    """Returns name, place and settings of one entry; no name after reporting that there is none."""
    if isinstance(item, Scalar) and isinstance(item.value, str):
        return item.value, item.place, Mapping(item.place, {})
    if not isinstance(item, Mapping) or not item.entries:
        found = shown(plain(item)) if plain(item) else "nothing"
        problems.error(item.place, f"pipeline: expected the name of a stage, found {found}", 'write "- name"')
        return "", item.place, item
    (name, first), *others = item.entries.items()
    for other, entry in others:
        problems.error(entry.key, *_too_much(name, first, other, known))
    empty = isinstance(first.value, Scalar) and first.value.value is None
    if others and empty:
        return "", first.key, item  # the settings are there but stand in the wrong place: reported above
    return name, first.key, Mapping(first.key, {}) if empty else first.value


def _too_much(name: str, first: Entry, other: str, known: Table[str, type[Stage]]) -> tuple[str, str]:
    """Returns what is wrong with a second key in one entry, and what to do."""
    if other in known:
        return f'"{other}" stands in the entry of "{name}"', f'begin its line with "- {other}"'
    return f'"{other}" stands beside "{name}", not inside it', f'indent it further than "{name}"'


def _stage(
    name: str, place: Place, known: Table[str, type[Stage]], problems: Problems, sources: Sources
) -> type[Stage] | None:
    if name in known:
        return known[name]
    if ":" not in name:
        problems.error(place, f'unknown stage "{name}"', instead(name, known))
        return None
    try:
        return _imported(name, sources)
    except Mistake as mistake:
        problems.error(place, f'stage "{name}": {mistake.what}', mistake.fix)
        return None


def _imported(name: str, sources: Sources) -> type[Stage]:
    """Returns the class that `module:Class` names. Modules beside the file are found like installed ones."""
    module_name, _, class_name = name.partition(":")
    directory = str(sources.directory.resolve())
    if directory not in sys.path:
        sys.path.append(directory)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise Mistake(f"there is no module {error.name}", "install it or put it beside this file") from None
    except Exception as error:  # a module of the user's may raise anything
        raise Mistake(f"importing it raised {type(error).__name__}: {error}", "mend the module") from None
    stage = getattr(module, class_name, None)
    if stage is None:
        options = [key for key, value in vars(module).items() if _is_stage(value)]
        raise Mistake(f"{module_name} has no {class_name}", instead(class_name, options) or "check the name")
    if not _is_stage(stage):
        raise Mistake(f"{class_name} is no stage", "derive it from proxy.stage.Stage and give it a name")
    return stage  # type: ignore[no-any-return]  # _is_stage has checked


def _is_stage(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Stage) and hasattr(value, "name")
