"""Reads `prices:`: what models cost that the table does not have, or has otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Table
from collections.abc import Sequence as List

from ..pricing.config import ModelPrices
from ..pricing.own import OwnPrice, deployments_of
from ..pricing.rates import RateCard
from ..pricing.table import price_table
from .decode import decode
from .nodes import Entry, Mapping, Node, Scalar, Sequence, plain
from .problems import Problems, instead
from .types import Sources, shown

_FORM = "write name: {input: ..., output: ...}, in dollars per million tokens"


def read_prices(
    node: Node | None, models: Node | None, upstreams: List[str], problems: Problems
) -> tuple[OwnPrice, ...]:
    """Returns the prices, wrong ones left out. `models` is that section, `upstreams` are the names of all upstreams.

    Names are compared with all models of the file, also with those that are left out on this machine.
    """
    if node is None:
        return ()
    if isinstance(node, Scalar) and node.value is None:
        return ()
    if not isinstance(node, Mapping):
        problems.error(node.place, f"prices: expected a mapping, found {shown(plain(node))}", _FORM)
        return ()
    targets = (
        {}
        if not isinstance(models, Mapping)
        else {name: list(_targets(entry.value)) for name, entry in models.entries.items()}
    )
    found = []
    for name, entry in node.entries.items():
        deployments = _deployments(name, entry, targets, upstreams, problems)
        card, like = _card(name, entry.value, problems)
        if card is not None and deployments:
            found.append(OwnPrice(name, entry.key.line, card, deployments, like))
    return tuple(found)


def _deployments(
    name: str, entry: Entry, models: Table[str, List[str]], upstreams: List[str], problems: Problems
) -> tuple[str, ...]:
    if name.count("*") > 1:
        problems.error(entry.key, f'prices: "{name}" holds more than one "*"', "keep one of them")
        return ()
    deployments = deployments_of(name, models, upstreams)
    if not deployments and models:  # else it is they that are wrong
        known = [*models, *(one for targets in models.values() for one in targets)]
        problems.error(entry.key, f'prices: no model has the name "{name}"', instead(name, known))
    return deployments


def _targets(node: Node) -> Iterator[str]:
    """Yields the `upstream/model` of a model; what is wrong with it is said elsewhere."""
    for item in node.items if isinstance(node, Sequence) else [node]:
        use = item.entries["use"].value if isinstance(item, Mapping) and "use" in item.entries else item
        if isinstance(use, Scalar) and isinstance(use.value, str):
            yield use.value


def _card(name: str, node: Node, problems: Problems) -> tuple[RateCard | None, str | None]:
    """Returns the prices of an entry, and the name in the table that it points to if it does."""
    owner = f"prices.{name}"
    if isinstance(node, Mapping):
        prices = decode(node, ModelPrices, owner, problems, Sources({}))
        return (None if prices is None else prices.card()), None
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        problems.error(node.place, f"{owner}: expected prices, found {shown(plain(node))}", _FORM)
        return None, None
    listed = price_table().look_up(node.value)
    if listed is None:
        what = f'{owner}: the table of prices has no "{node.value}"'
        problems.error(node.place, what, _in_the_table(node.value))
        return None, None
    return listed.card, listed.name


def _in_the_table(name: str) -> str:
    names = price_table().names
    near = instead(name, names)
    return near if near.startswith("did you mean") else "write vendor/model as penstock prices shows it"
