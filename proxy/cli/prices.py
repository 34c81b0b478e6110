"""Tell what models cost, and where the price is from: the file, or the table that ships with Penstock.

NAME is a name that clients ask for, upstream/model of the file, or vendor/model of the table; a * stands for any.
Without it all models of the file are shown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ..config.file import Config
from ..config.loader import load
from ..config.problems import instead
from ..errors import ConfigError
from ..patterns import stands_for
from ..pricing.book import Price, PriceBook
from ..pricing.own import within
from ..pricing.quote import Row, TierRow, in_dollars, quoted
from ..pricing.sellers import seller_of
from ..pricing.table import price_table
from .report import exit_code, print_json, tell

_FILE = "pipeline.yaml"
_EACH = "by the table, model by model"


class Quote(msgspec.Struct, kw_only=True):
    """What one deployment, or one name of the table, costs. `source` says where the price is from, in words."""

    name: str
    asked_as: list[str] = []
    origin: str
    source: str
    tiers: list[TierRow] = []
    search: float = 0
    request: float = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the name, the file, and the form of the output."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the model to look up")
    parser.add_argument("--config", metavar="FILE", help=f"default: {_FILE}, if it is there")
    parser.add_argument("--check", action="store_true", help="find the models of the file that have no price")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Prints prices; returns 1 for what has none."""
    try:
        config = load(args.config or _FILE) if args.config or args.check or Path(_FILE).exists() else None
    except ConfigError as error:
        tell(error.problems)
        return exit_code(error)
    if args.check and config is not None:
        return _check(config, args.name, as_json=args.json)
    quotes = [] if config is None else _of_file(config, args.name)
    if not quotes and args.name is not None:
        quotes = _of_table(args.name)
    if not quotes and args.name is not None:
        print(f'nobody knows a price for "{args.name}"   ({_near(config, args.name)})', file=sys.stderr)
        return 1
    if args.json:
        print_json(quotes if config is not None or args.name is not None else _of_table("*"))
    elif config is None and args.name is None:
        print(_summary())
    else:
        print("\n\n".join("\n".join(_lines(quote)) for quote in quotes))
    return 0


def _check(config: Config, name: str | None, *, as_json: bool) -> int:
    """Prints the models without a price, and what to do about each."""
    missing = [quote for quote in _of_file(config, name) if quote.origin == "unknown"]
    if as_json:
        print_json({"file": config.file, "ok": not missing, "without_price": [quote.name for quote in missing]})
    for quote in missing if not as_json else ():
        what = f'add "{quote.name}: {{input: ..., output: ...}}" to prices, in dollars per million tokens'
        print(f"{config.file}: {quote.name} has no price   ({what})")
    if not missing and not as_json:
        print(f"{config.file}: every model has a price, by the table of {price_table().as_of} and the file's own")
    return 1 if missing else 0


def _of_file(config: Config, name: str | None) -> list[Quote]:
    """Returns the prices of the file's deployments that are meant by a name, of all without one."""
    book = PriceBook(config.prices)
    asked: dict[str, list[str]] = {}
    for model, deployments in config.models.items():
        for one in deployments:
            found = _meant(name, model, f"{one.upstream}/{one.model}")
            if found is not None:
                asked.setdefault(found, []).append(model)
    upstream, slash, model = (name or "").partition("/")
    if not asked and slash and model and upstream in config.upstreams:
        asked[f"{upstream}/{model}"] = []
    quotes = [_quote(config, book, deployment, names) for deployment, names in asked.items()]
    if name is not None and "*" in name:
        quotes = [each for quote in quotes for each in _each(config, quote)]
    return list({quote.name: quote for quote in reversed(quotes)}.values())[::-1]


def _each(config: Config, quote: Quote) -> list[Quote]:
    """Returns the prices of the models that a pattern stands for, as far as the table names them."""
    if quote.source != _EACH:
        return [quote]
    upstream, _, pattern = quote.name.partition("/")
    vendor = _vendor(config, upstream)
    named = [name.partition("/")[2] for name in price_table().matching(f"{vendor}/{pattern}")]
    book = PriceBook(config.prices)
    return [_quote(config, book, f"{upstream}/{model}", quote.asked_as) for model in named] or [quote]


def _meant(name: str | None, model: str, deployment: str) -> str | None:
    """Returns the deployment that a name means, if it means it: the `*` filled in where the name is more exact."""
    if name is None or stands_for(name, model) or stands_for(name, deployment):
        return deployment
    middle = within(name, model) if "*" in model else None
    if middle is not None:
        return deployment.replace("*", middle, 1)
    return name if "*" in deployment and stands_for(deployment, name) else None


def _quote(config: Config, book: PriceBook, deployment: str, asked_as: list[str]) -> Quote:
    upstream, _, model = deployment.partition("/")
    kind, url = _place(config, upstream)
    base = getattr(config.upstreams[upstream].config, "base_models", {}).get(model)
    price = book.price(upstream, model, kind=kind, base_url=url, base_model=base)
    if price.origin == "unknown" and "*" in model and seller_of(kind, url).vendor is not None:
        return Quote(name=deployment, asked_as=asked_as, origin="table", source=_EACH)
    return _told(deployment, asked_as, price, _source(price, config.file))


def _place(config: Config, upstream: str) -> tuple[str, str | None]:
    """Returns the kind of an upstream, and where it is."""
    entry = config.upstreams[upstream]
    return entry.provider.kind, getattr(entry.config, "base_url", None)


def _vendor(config: Config, upstream: str) -> str | None:
    kind, url = _place(config, upstream)
    return seller_of(kind, url).vendor


def _of_table(name: str) -> list[Quote]:
    """Returns the prices of a name of the table, of all that fit a pattern, or of a model at all vendors."""
    table = price_table()
    if "*" in name:
        names = table.matching(name)
    elif "/" in name:
        names = [name]
    else:
        names = [f"{vendor}/{name}" for vendor in dict.fromkeys(one.partition("/")[0] for one in table.models)]
    found = [(one, listed) for one in names if (listed := table.look_up(one)) is not None]
    return [
        _told(one, [], price, _source(price))
        for one, listed in found
        for price in [Price("table", listed.card, listed.name)]
    ]


def _source(price: Price, file: str = "") -> str:
    """Returns where a price is from, in words."""
    if price.origin == "file":
        return f"by {file}:{price.line} ({price.name}{': ' + price.like if price.like else ''})"
    if price.origin == "table":
        return f"by the table of {price_table().as_of} ({price.name})"
    if price.origin == "own":
        return "nothing, for it runs on machines of your own"
    if price.origin == "told":
        return "as the upstream says with each answer"
    return "not known"


def _told(name: str, asked_as: list[str], price: Price, source: str) -> Quote:
    quote = Quote(name=name, asked_as=asked_as, origin=price.origin, source=source)
    if price.card is not None and price.origin != "own":
        card = price.card
        quote.tiers = [quoted(card.standard), *(quoted(rows, tier) for tier, rows in card.tiers.items())]
        quote.search, quote.request = in_dollars(card.search, 12), in_dollars(card.request, 12)
    return quote


def _near(config: Config | None, name: str) -> str:
    known = [*price_table().names, *(config.models if config is not None else ())]
    near = instead(name, known)
    return near if near.startswith("did you mean") else "write vendor/model, such as openai/gpt-5"


def _summary() -> str:
    """Returns what the table has, where there is no file."""
    table = price_table()
    vendors = dict.fromkeys(name.partition("/")[0] for name in table.models)
    return (
        f"the table of {table.as_of} has {len(table.models)} models of {', '.join(vendors)}\n"
        "penstock prices NAME shows what one costs, penstock prices 'openai/*' all of one vendor"
    )


def _lines(quote: Quote) -> Iterator[str]:
    """Yields the lines that tell a price on a terminal."""
    asked = [name for name in quote.asked_as if name != quote.name]
    yield quote.name + (f", asked for as {', '.join(asked)}" if asked else "")
    yield f"  price: {quote.source}"
    for tier in quote.tiers:
        label = f"{tier.service_tier}: " if tier.service_tier else ""
        yield f"  {label}{_priced(tier.prices)}" + ("" if label else "   (dollars per million tokens)")
        for longer in tier.longer:
            yield f"  {label}above {longer.above} tokens of input: {_priced(longer.prices)}"
    for what, dollars in (("search", quote.search), ("request", quote.request)):
        if dollars:
            yield f"  a {what}: {dollars:g} dollars"


def _priced(prices: Row) -> str:
    return ", ".join(f"{name} {price:g}" for name, price in prices.items())
