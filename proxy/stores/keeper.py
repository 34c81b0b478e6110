"""What a request refers to, found in the store; and what came of a request, kept there.

The history of a chain is put in front of the request's own input as it was kept, byte for byte, so that the upstream
sees the same beginning in every turn and its prompt cache hits.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from ..api import invalid
from ..api.responses.encoder import ResponsesEncoder
from ..api.responses.fields import FIELDS
from ..api.responses.ids import new_response_id
from ..api.responses.items import Item, ItemReference
from ..api.responses.made_ids import FIRST_INPUT, made_id
from ..api.responses.request import ResponsesRequest
from ..api.responses.stateless import item_not_found, previous_not_found, refers_to_nothing, refuse_references
from ..errors import BadRequest, ExchangeError, InternalError, Overloaded
from .conversation_keeper import ConversationKeeper
from .conversations import ConversationStore
from .late import LateEnds
from .nothing import NothingKept
from .outage import tell
from .store import Entry, ResponseStore, StoreFailed, StoreUnavailable

if TYPE_CHECKING:
    from ..exchange import Exchange
    from ..translation import Encoder
    from .turn_memory import TurnMemory

_log = logging.getLogger("penstock")
_UNSTORED_S = 600.0
"""How long a background response with `store: false` is kept, as OpenAI does."""
_CONTINUABLE = frozenset(("completed", "incomplete"))
_CALLS = frozenset(
    ("function_call", "custom_tool_call", "tool_search_call", "local_shell_call", "shell_call", "apply_patch_call")
)
_PREFIXES = {"message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc"}


_FIRST = b'%04x",' % FIRST_INPUT
_QUOTE = ord('"')
_OF_ITSELF = frozenset(FIELDS) - {"background", "conversation", "previous_response_id", "store"}
"""The fields of a request that is kept like any other, and refers to nothing if its input does not."""


class _Kind(msgspec.Struct):
    """What is read of a kept item. Clients may write null for what they leave out, and anything as `status`."""

    type: str | None = None
    id: str | msgspec.UnsetType | None = msgspec.UNSET
    status: Any = None


_decode_kind = msgspec.json.Decoder(_Kind).decode


class Keeper(Protocol):
    """Stands between exchanges and what is kept."""

    async def resolve(self, exchange: Exchange) -> None:
        """Puts what the request refers to in its place; raises BadRequest or NotFound for what is not there."""

    async def accept(self, exchange: Exchange, encoder: ResponsesEncoder) -> None:
        """Keeps a background response before it is acknowledged; raises InternalError when that fails."""

    async def withdraw(self, exchange: Exchange) -> None:
        """Forgets a background response that could not be acknowledged; nobody knows its id."""

    async def keep(self, exchange: Exchange, encoder: Encoder) -> None:
        """Keeps what came of an exchange. A store that fails is logged; the client gets its answer all the same."""

    async def let_go(self, exchange: Exchange) -> None:
        """Lets go of what an exchange still holds; called at the end of each that has a claim."""

    def late(self, id: str, owner: str) -> Entry | None:
        """Returns a response as it ended where the store has it as unfinished, because it could not take the end."""

    def forget(self, id: str, owner: str) -> None:
        """Gives up what the store could not take of a response that is to be deleted."""

    async def reap(self) -> None:
        """Ends the responses that died with their process: they have failed. A store that fails is logged."""


class Forgetful:
    """The keeper of a server without a store. What a connection remembers can be continued there all the same."""

    def __init__(self) -> None:
        self._connections = StoreKeeper(NothingKept(), 0.0)

    async def resolve(self, exchange: Exchange) -> None:
        """Refuses references; there is nothing they could find, except in what the connection remembers."""
        request = exchange.request
        if not isinstance(request, ResponsesRequest):
            return
        if request.value("background"):
            raise invalid.unsupported("background", "No responses are kept here (stores.responses of the file).")
        if exchange.memory is None:
            refuse_references(request)
        else:
            await self._connections.resolve(exchange)
            exchange.keeps = exchange.keeps_log = False

    async def accept(self, exchange: Exchange, encoder: ResponsesEncoder) -> None:
        """Is never asked."""

    async def withdraw(self, exchange: Exchange) -> None:
        """Is never asked."""

    async def keep(self, exchange: Exchange, encoder: Encoder) -> None:
        """Keeps nothing but what the connection remembers."""
        if exchange.memory is not None:
            await self._connections.keep(exchange, encoder)

    async def let_go(self, exchange: Exchange) -> None:
        """Is never asked."""

    def late(self, id: str, owner: str) -> Entry | None:
        """Finds none."""
        return None

    def forget(self, id: str, owner: str) -> None:
        """Finds none."""

    async def reap(self) -> None:
        """Finds none."""


class StoreKeeper:
    """The keeper over a response store; entries live for `keep_s` seconds, the events of streams for `resume_s`."""

    def __init__(
        self,
        store: ResponseStore,
        keep_s: float,
        resume_s: float = 0.0,
        conversations: ConversationStore | None = None,
    ) -> None:
        self._store = store
        self.conversations = ConversationKeeper(conversations)
        self._keep_s = keep_s
        self._resume_s = resume_s
        self._late = LateEnds(store)
        self.failures = 0
        """How many responses could not be kept."""

    async def resolve(self, exchange: Exchange) -> None:
        """Puts the chain in front of the input, and kept items in the place of references to them."""
        request = exchange.request
        if not isinstance(request, ResponsesRequest):
            return
        if request.says_only(_OF_ITSELF):  # what mostly comes
            exchange.keeps, exchange.keeps_log = True, self._resume_s > 0 and request.stream
            if _is_named_at_once(exchange, request):
                return
        history, own = ([], None) if refers_to_nothing(request) else await self._found(exchange, request)
        given = request.raw_items
        if own is None:
            own = given
        exchange.background = bool(request.value("background"))
        exchange.keeps = exchange.background or request.value("store") is not False
        is_read = exchange.background or self._resume_s > 0  # the client of a background stream reads its log, too
        exchange.keeps_log = exchange.keeps and request.stream and is_read
        if exchange.is_remembered:
            exchange.response_id = exchange.response_id or new_response_id()
            exchange.input_items = _named(own, given, request.items, exchange.response_id)
        else:
            exchange.input_items = []
        if history or (own is not given and own != given):
            request.put_items(history + own)

    async def accept(self, exchange: Exchange, encoder: ResponsesEncoder) -> None:
        """Keeps a background response as it is now: queued."""
        try:
            await self._store.put(self._entry(exchange, "queued", encoder.now(), []))
        except StoreFailed as error:
            _log.error("response %s is not kept: %s", exchange.response_id, error)
            raise InternalError("The response store failed; the log says why.") from None

    async def withdraw(self, exchange: Exchange) -> None:
        """Forgets it: a store that was only too slow has it as queued for ever."""
        assert exchange.response_id is not None
        try:
            await self._store.delete(exchange.response_id, owner_of(exchange))
        except StoreFailed as error:
            _log.error("response %s, which was not begun, may be left as queued: %s", exchange.response_id, error)

    async def keep(self, exchange: Exchange, encoder: Encoder) -> None:
        """Keeps the response under its id, before its end is told."""
        if exchange.response_id is None or not encoder.done or not (exchange.keeps or exchange.is_remembered):
            return
        entry = self._entry(exchange, encoder.outcome or "failed", encoder.final(), encoder.kept_output())
        closing = self.conversations.close(exchange, entry) if exchange.claim is not None else None
        if exchange.keeps:
            log = encoder.log if isinstance(encoder, ResponsesEncoder) else None
            if log is not None and self._resume_s > 0:
                entry.log, entry.log_until = log.to_bytes(), time.time() + self._resume_s
            try:
                await self._store.put(entry)
                exchange.kept = True
            except Exception as error:  # whatever went wrong in keeping it, the answer is the client's
                self._not_kept(exchange, entry, error)
        memory = exchange.memory
        if memory is not None and not (exchange.kept and (entry.parent is None or memory.chain(entry.parent) is None)):
            memory.put(entry)  # what the store has whole is not remembered: deleted there, it is gone
        if closing is not None:
            await closing

    def _not_kept(self, exchange: Exchange, entry: Entry, error: Exception) -> None:
        exchange.kept = False
        self.failures += 1
        if isinstance(error, StoreFailed):
            _log.error("response %s is not kept: %s", entry.id, error)
        else:
            _log.error("response %s is not kept", entry.id, exc_info=error)
        if exchange.background:
            self._late.add(entry)

    async def let_go(self, exchange: Exchange) -> None:
        """Lets go of the conversation."""
        await self.conversations.let_go(exchange)

    def share_late(self, other: StoreKeeper) -> None:
        """Knows of ends that came late what another keeper over the same store knows."""
        self._late = other._late

    def late(self, id: str, owner: str) -> Entry | None:
        """Returns an end that the store has not taken yet."""
        return self._late.get(id, owner)

    def forget(self, id: str, owner: str) -> None:
        """Gives up an end that the store has not taken yet."""
        self._late.forget(id, owner)

    async def reap(self) -> None:
        """Ends the responses that died with their process, and those whose end could not be kept when it came."""
        try:
            await self._late.keep()
            for entry in await self._store.abandoned():
                await self._store.put(failed_entry(entry))
                _log.error("response %s has failed: the process that made it is gone", entry.id)
        except StoreFailed as error:
            tell(error)

    def _entry(self, exchange: Exchange, status: str, response: bytes, output: list[msgspec.Raw]) -> Entry:
        assert exchange.response_id is not None
        request, deployment = exchange.request, exchange.deployment
        assert isinstance(request, ResponsesRequest)
        fields, keep_s = request.fields, self._keep_s
        if "store" in fields and request.value("store") is False:
            keep_s = min(keep_s, _UNSTORED_S)
        return Entry(
            id=exchange.response_id,
            owner=owner_of(exchange),
            created_at=exchange.timing.wall,
            expires_at=time.time() + keep_s,
            status=status,
            model=exchange.asked_model or request.model,
            response=msgspec.Raw(response),
            input=exchange.input_items,
            output=output,
            parent=request.value("previous_response_id") if "previous_response_id" in fields else None,
            deployment=None if deployment is None else f"{deployment.provider.name}/{deployment.model}",
            cost=exchange.cost,
        )

    async def _chain(self, id: str, owner: str, memory: TurnMemory | None) -> list[Entry] | None:
        """Returns a response and all before it, from the connection's memory as far as that goes, else kept ones."""
        recent = memory.chain(id) if memory is not None else None
        if not recent:
            return await self._store.chain(id, owner)
        if recent[0].parent is None:
            return recent
        older = await self._store.chain(recent[0].parent, owner)
        return None if older is None else older + recent

    async def _found(
        self, exchange: Exchange, request: ResponsesRequest
    ) -> tuple[list[msgspec.Raw], list[msgspec.Raw]]:
        """Returns the items of all earlier turns, and the request's own."""
        try:
            return await self._history(exchange, request), await self._own(exchange, request)
        except StoreFailed as error:
            tell(error)
            raise store_error(error) from None

    async def _history(self, exchange: Exchange, request: ResponsesRequest) -> list[msgspec.Raw]:
        """Returns the items of all earlier turns, the oldest first."""
        previous, owner = request.value("previous_response_id"), owner_of(exchange)
        if previous is None:
            return await self.conversations.open(exchange, request, owner)
        chain = await self._chain(previous, owner, exchange.memory)
        if not chain:
            raise previous_not_found(previous)
        if chain[-1].status not in _CONTINUABLE:
            raise BadRequest(
                f"Previous response with id '{previous}' cannot be continued: it is {chain[-1].status}.",
                param="previous_response_id",
                code="previous_response_not_continuable",
            )
        exchange.made_by = chain[-1].deployment
        before = await self.conversations.before(chain[0], owner)
        if before is None:
            raise previous_not_found(previous)
        return before + [item for entry in chain for item in (*entry.input, *_whole(entry.output))]

    async def _own(self, exchange: Exchange, request: ResponsesRequest) -> list[msgspec.Raw]:
        """Returns the request's own items, references replaced by what they refer to."""
        own = list(request.raw_items)
        places = {at: item.id for at, item in enumerate(request.items) if isinstance(item, ItemReference)}
        if places:
            ids = list(places.values())
            found = exchange.memory.items(ids) if exchange.memory is not None else {}
            if missing := [id for id in ids if id not in found]:
                found |= await self._store.items(missing, owner_of(exchange))
            for at, id in places.items():
                if id not in found:
                    raise item_not_found(id, f"input[{at}]", "It was not kept, or its time is over.")
                own[at] = found[id]
        return own


def failed_entry(entry: Entry) -> Entry:
    """Returns an entry that nobody will finish as what it is: failed, by a fault of the server."""
    response = msgspec.json.decode(entry.response, type=dict[str, msgspec.Raw])
    error = {"code": "server_error", "message": "The process that made this response ended before it was finished."}
    response |= {"status": msgspec.Raw(b'"failed"'), "error": msgspec.Raw(msgspec.json.encode(error))}
    return msgspec.structs.replace(entry, status="failed", response=msgspec.Raw(msgspec.json.encode(response)))


def store_error(error: StoreFailed) -> ExchangeError:
    """Returns what to tell a client of a store that failed: to come back later, where that may help."""
    if isinstance(error, StoreUnavailable):
        return Overloaded("What was kept of earlier responses is out of reach for the moment; try again later.")
    return InternalError("The response store failed; the log says why.")


def owner_of(exchange: Exchange) -> str:
    """Returns who may see the exchange's response: the key's owner, else the key itself; "" without keys.

    The two are told apart, for a key may have the name of somebody else's owner.
    """
    key = exchange.key
    if key is None:
        return ""
    return f"owner:{key.owner}" if key.owner else f"key:{key.id}"


def _whole(output: list[msgspec.Raw]) -> list[msgspec.Raw]:
    """Returns output items without calls that were cut: nobody can answer them."""
    return [item for item in output if (kind := _decode_kind(item)).type not in _CALLS or kind.status != "incomplete"]


def _is_named_at_once(exchange: Exchange, request: ResponsesRequest) -> bool:
    """Gives the response its id, and the only message of a plain input one beside it, in one step.

    Returns False where there is more to it, and has then done nothing. It gives what `_named` gives. Hot: once a
    request.
    """
    items = request.items
    if len(items) != 1 or exchange.response_id is not None:
        return False
    if items[0].id is not msgspec.UNSET or items[0].type != "message":
        return False
    response_id = exchange.response_id = new_response_id()
    rest = b"".join((request.fields["input"],))  # as bytes, in half the time of bytes()
    if rest[0] == _QUOTE:
        rest = b'"type":"message","role":"user","content":%b}' % rest
    else:
        rest = rest.partition(b"{")[2][:-1].rstrip()
    exchange.input_items = [msgspec.Raw(b"".join((b'{"id":"msg_', response_id[5:].encode(), _FIRST, rest)))]
    return True


def _named(items: list[msgspec.Raw], given: list[msgspec.Raw], read: list[Item], response_id: str) -> list[msgspec.Raw]:
    """Returns input items that each have an id of their own; of several with one id the last one keeps it.

    Those that were `given` in the request's input have been `read`, and are not read again.
    """
    if items is given:
        for one in read:
            if one.id is not msgspec.UNSET:
                break
        else:
            return _all_named(items, read, response_id)  # what mostly comes
    number = FIRST_INPUT
    taken: set[str] = set()
    named: list[msgspec.Raw] = []
    for item, as_given, known in zip(reversed(items), reversed(given), reversed(read), strict=True):
        kind = known if item is as_given else _decode_kind(item)
        if kind.id and kind.id not in taken:
            taken.add(kind.id)
            named.append(item)
        else:
            named.append(_with_id(item, kind, response_id, number))
            number += 1
    return named[::-1]


def _all_named(items: list[msgspec.Raw], read: list[Item], response_id: str) -> list[msgspec.Raw]:
    """Returns items that had no ids with one each. Hot: once a request."""
    number = FIRST_INPUT + len(items)
    named: list[msgspec.Raw] = []
    for item, kind in zip(items, read):  # noqa: B905 - they are as many
        number -= 1
        named.append(_with_id(item, kind, response_id, number))
    return named


def _with_id(item: msgspec.Raw, kind: _Kind | Item, response_id: str, number: int) -> msgspec.Raw:
    type = kind.type or "message"
    id = made_id(response_id, _PREFIXES.get(type, "item"), number)
    if kind.type and kind.id is msgspec.UNSET:  # what mostly comes: the id is put in front, and nothing decoded
        return msgspec.Raw(b"".join((b'{"id":"', id.encode(), b'",', bytes(item)[1:])))
    fields = msgspec.json.decode(item, type=dict[str, msgspec.Raw])
    return msgspec.Raw(msgspec.json.encode({**fields, "id": id, "type": type}))
