"""Many words at once in a text that arrives in pieces: the automaton of Aho and Corasick.

The words form a trie; each node knows the longest other node that its own text ends with (`fail`), so that one step a
character follows all words at the same time. The node reached says how much of the text's end may still become a match
(`pending`): that much is held back and not a character more. Two paths lead through the text. The quick one is for
pieces in which each character folds to exactly one and nothing is found: nearly all of them. When it meets the end of a
word, the piece is taken again by the thorough one, which keeps the origin of each folded character.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from importlib.util import find_spec

import msgspec

from .folding import Folding, in_word
from .scan import APART, Match

_LONG = 16
_LONG_FOR_EXPRESSION = 256
"""From this length on a piece is first searched by what is faster but starts slowly: pyahocorasick where it is
installed (for 1,000 words and 100,000 characters 1 ms), else a compiled expression (10 ms)."""

_SHORT = 16
"""Up to this length pieces are worth remembering."""

_MOST_REMEMBERED = 20_000
"""So many steps by whole pieces are remembered for one set of words: models repeat themselves."""

_MOST_SEEN = 1 << 16
"""So many pieces are known to have come before."""
_SEEN = _MOST_SEEN - 1

_FEW = 8
"""Up to so many first characters of all words, an expression finds whether one begins in a piece at all."""

_FAMILIAR = 2
_MOST_FAMILIAR = 128
"""Nodes of so few characters learn what follows on so many; texts are there nearly always."""

_MOST_SILENT = 1000
"""So many invisible characters in a row break a word off; what is held back stays bounded."""


_Search = Callable[[str], object]
_NOWHERE = dict[str, None]().get
"""Finds nothing, quicker than any expression that matches nowhere."""


class Word(msgspec.Struct, frozen=True):
    """A word or phrase to look for. `whole`: only where no letter, digit or underscore touches it."""

    text: str
    rule: int = 0
    whole: bool = False


class _Node(dict[str, "_Node"]):
    __slots__ = ("depth", "ends", "fail", "pending", "steps")

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.depth = depth
        self.ends: tuple[tuple[int, int, bool], ...] = ()
        self.fail: _Node = self
        self.pending = 0
        self.steps: dict[str, tuple[_Node, str]] = {}
        """Where whole pieces of text lead to from here, and what they are folded; only those in which no word ends."""

    def __missing__(self, char: str) -> _Node:
        """Returns the node that follows on a character which no word goes on with here."""
        node = following = self
        while node.depth:
            node = node.fail
            found = node.get(char)
            if found is not None:
                following = found
                break
            following = node
        if self and self.depth <= _FAMILIAR and len(self) < _MOST_FAMILIAR:
            self[char] = following  # a leaf stays empty: nothing is pending there
        return following


class Words:
    """A set of words, compared in one way. Made once; each text has a scan of its own.

    Raises ValueError for a word of which nothing is left to compare.
    """

    def __init__(self, words: Iterable[Word], folding: Folding) -> None:
        self.folding = folding
        self.lowers = not folding.case_sensitive
        self.root = _Node(0)
        self.longest = 0
        self.whole = True
        """Whether all of them count only as whole words."""
        self._folded: list[str] = []
        for word in words:
            self._add(word)
        self._link()
        self.quick, self.long = _searcher(self.root, self._folded)
        self.starts, self.begins = _starts(self.root, lowers=self.lowers)
        self.seen = bytearray(_MOST_SEEN)
        """By hash, which pieces came before: most pieces of names and numbers come once, and are not worth keeping."""
        self.apart = not any(APART in word for word in self._folded)
        """Whether texts can be searched together, with `APART` between them."""
        self._known: list[_Node] = []  # nodes with steps, one for each step

    def scan(self) -> WordScan:
        """Returns a scan at the beginning of a text."""
        return WordScan(self)

    def clean(self, text: str) -> bool:
        """Tells whether none of the words is in a whole text; False where only a scan can tell."""
        if self.lowers and text.isascii():
            folded = text.lower()
        else:
            folded = self.folding.simple(text) or self.folding.text(text)
        if self.starts is not None and self.starts(folded) is None:
            return True
        if len(folded) >= self.long and self.quick is not None:
            return not self.quick(folded)
        node = self.root
        for char in folded:
            node = node[char]
            if node.ends:
                return False
        return True

    def remember(self, node: _Node, text: str, step: tuple[_Node, str]) -> None:
        """Keeps where a short piece of text leads to from a node."""
        if len(self._known) >= _MOST_REMEMBERED:
            for known in self._known:
                known.steps.clear()
            self._known.clear()
            self.seen = bytearray(_MOST_SEEN)
        self._known.append(node)
        node.steps[text] = step

    def _add(self, word: Word) -> None:
        text = self.folding.text(word.text)
        if not text:
            raise ValueError(f"nothing is left to look for in {word.text!r}")
        self._folded.append(text)
        self.whole = self.whole and word.whole
        node = self.root
        for char in text:
            if char not in node:
                node[char] = _Node(node.depth + 1)
            node = node[char]
        node.ends += ((len(text), word.rule, word.whole),)
        self.longest = max(self.longest, len(text))

    def _link(self) -> None:
        """Sets `fail`, `pending` and the inherited ends, nearer nodes first."""
        waiting = deque([self.root])
        while waiting:
            node = waiting.popleft()
            node.pending = node.depth if node else node.fail.pending
            for char, child in node.items():
                child.fail = self.root if node is self.root else _step(self.root, node.fail, char)
                child.ends += child.fail.ends
                waiting.append(child)


class WordScan:
    """One text on its way through a set of words."""

    __slots__ = (
        "_begins",
        "_keep",
        "_length",
        "_most",
        "_node",
        "_odd",
        "_origins",
        "_recent",
        "_root",
        "_silent",
        "_simple",
        "_unread",
        "_waiting",
        "_whole",
        "_words",
        "found",
        "safe",
    )

    def __init__(self, words: Words) -> None:
        self.safe = 0
        self.found: list[Match] = []
        self._words = words
        self._whole = words.whole
        self._simple = words.folding.simple
        self._begins = words.begins  # None where something waits
        self._unread = ""  # characters of pieces that were skipped
        self._odd = False  # whether characters are not one to one, or a match waits
        self._root = self._node = words.root
        self._keep = words.longest + 1
        self._most = 16 * self._keep
        self._length = 0
        self._silent = 0
        self._recent = ""  # the last folded characters: a word's worth, the one in front of it, and some more
        self._origins: list[int] | None = None  # where they came from; None: those that wait came one to one
        self._waiting: list[Match] = []  # whole words that a following letter would undo

    def feed(self, text: str) -> None:
        """Takes the next piece of text. Hot: once an event."""
        if self._begins is not None and self.skip(text):
            self.safe = self._length
            return
        if self._unread:
            self._read()
        if self._odd:
            self._feed_thoroughly(text)
            return
        step = self._node.steps.get(text) or self._step_by(text)
        if step is None:
            self._feed_thoroughly(text)
            return
        self._node, folded = step
        length = self._length = self._length + len(text)
        self._silent = 0
        recent = self._recent = self._recent + folded
        if len(recent) > self._most:
            self._recent = recent[-self._keep :]
        pending = self._node.pending
        if pending and self._whole:
            pending = self._viable(recent)
        self.safe = length - pending
        self._begins = self._words.begins if self._node is self._root else None

    def idle(self, text: str) -> bool:
        """Tells whether nothing waits, and no word begins in the next piece; does nothing. Hot: once an event."""
        begins = self._begins
        return begins is not None and text.isascii() and begins(text) is None

    def skip(self, text: str) -> bool:
        """Takes a piece in which no word begins, where nothing waits. Hot: once an event."""
        begins = self._begins
        if begins is None or not text.isascii() or begins(text) is not None:
            return False
        unread = self._unread = self._unread + text
        if len(unread) > self._most:
            self._unread = unread[-self._keep :]
        self._length += len(text)
        return True

    def _read(self) -> None:
        """Takes note of the characters of pieces that were skipped."""
        unread = self._unread.lower() if self._words.lowers else self._unread
        self._recent = (self._recent + unread)[-self._most :]
        self._unread = ""
        self._silent = 0

    def _viable(self, recent: str) -> int:
        """Returns how much of the end may still become a whole word, none of which begins inside another."""
        node = self._node
        while node is not self._root:
            depth = node.depth
            if node and not (len(recent) > depth and in_word(recent[-depth]) and in_word(recent[-depth - 1])):
                return depth
            node = node.fail
        return 0

    def _step_by(self, text: str) -> tuple[_Node, str] | None:
        """Returns where a piece of text leads to, and the piece folded; None when a closer look is needed."""
        words = self._words
        folded = self._simple(text)
        odd = folded is None
        if folded is None:
            folded = words.folding.text(text)
        before = node = self._node
        unread = folded
        if len(folded) >= words.long and len(folded) > self._keep and (quick := words.quick) is not None:
            if quick(self._recent[-self._keep :] + folded):
                return None
            node = self._root
            unread = folded[-self._keep :]  # without a match the node depends on the last word's worth only
        for char in unread:
            node = node[char]
            if node.ends:
                return None
        if odd and node.pending and self._simple(text[-node.pending :]) is None:
            return None  # of what may become a word, it has to be known where it begins
        if len(text) <= _SHORT:
            seen, place = words.seen, hash(text) & _SEEN
            if seen[place]:
                words.remember(before, text, (node, folded))
            else:
                seen[place] = 1
        return node, folded

    def settle(self) -> None:
        """Decides what is there as if the text ended here."""
        self.found += self._waiting
        self._waiting = []
        self.safe = self._length

    def _feed_thoroughly(self, text: str) -> None:
        chars = list(self._recent[-self._keep :])
        origins = self._origins
        if origins is None:
            origins = list(range(self._length - len(chars), self._length))
        fold = self._words.folding.char
        for place, char in enumerate(text, self._length):
            folded = fold(char)
            if not folded:
                self._pass_silent()
                continue
            self._silent = 0
            for part in folded:
                chars.append(part)
                origins.append(place)
                self._step(chars, origins)
        self._length += len(text)
        self._recent = "".join(chars[-self._keep :])
        depth = self._node.pending
        plain = origins[len(origins) - depth :] == list(range(self._length - depth, self._length))
        self._origins = None if plain else origins[-self._keep :]
        self._odd = not plain or bool(self._waiting)
        self._begins = None if self._odd or self._node is not self._root else self._words.begins
        pending = self._viable("".join(chars)) if self._whole else self._node.pending
        self.safe = min([start for start, _, _ in self._waiting], default=self._length)
        if pending:
            self.safe = min(self.safe, origins[-pending])

    def _step(self, chars: list[str], origins: list[int]) -> None:
        """Takes the last folded character of `chars`: whole words that waited for it, then words that end in it."""
        if self._waiting:
            if not in_word(chars[-1]):
                self.found += self._waiting
            self._waiting = []
        self._node = _step(self._root, self._node, chars[-1])
        for length, rule, whole in self._node.ends:
            match = (origins[-length], rule, origins[-1] + 1)
            if not whole:
                self.found.append(match)
            elif not (in_word(chars[-length]) and len(chars) > length and in_word(chars[-length - 1])):
                (self._waiting if in_word(chars[-1]) else self.found).append(match)

    def _pass_silent(self) -> None:
        self._silent += 1
        if self._silent == _MOST_SILENT:
            self.found += self._waiting
            self._waiting = []
            self._node = self._root


def _step(root: _Node, node: _Node, char: str) -> _Node:
    """Returns the node that follows on a character."""
    while True:
        following = node.get(char)
        if following is not None:
            return following
        if node is root:
            return root
        node = node.fail


def _starts(root: _Node, *, lowers: bool) -> tuple[_Search | None, _Search | None]:
    """Returns what finds where a word may begin, by two characters: in a folded text, and in one of ASCII as it is.

    None where words begin with so many characters that every text has some of them.
    """
    if not 0 < len(root) <= _FEW:
        return None, None
    branches, plain = [], []
    for char, child in root.items():
        seconds = "".join(child)
        branches.append(re.escape(char) + ("" if child.ends else rf"(?:[{re.escape(seconds)}]|\Z)"))
        if char.isascii():
            either = seconds + seconds.upper() if lowers else seconds
            rest = "" if child.ends else rf"(?:[{re.escape(either)}]|\Z)"
            plain += [re.escape(one) + rest for one in sorted({char, char.upper() if lowers else char})]
    return re.compile("|".join(branches)).search, re.compile("|".join(plain)).search if plain else _NOWHERE


def _searcher(root: _Node, words: Iterable[str]) -> tuple[Callable[[str], bool] | None, int]:
    """Returns what tells whether any of the words is in a folded text, quickly, and from which length on it is.

    None when there is no such thing.
    """
    if find_spec("ahocorasick") is None:
        return _expression(root), _LONG_FOR_EXPRESSION
    import ahocorasick

    automaton = ahocorasick.Automaton(ahocorasick.STORE_INTS)
    for word in words:
        automaton.add_word(word, 1)
    automaton.make_automaton()
    return lambda text: next(automaton.iter(text), None) is not None, _LONG


def _expression(root: _Node) -> Callable[[str], bool] | None:
    """Does the same by an expression; None when the words nest too deep for `re`.

    It has the form of the trie: as a plain list of words, each character would be held against each word.
    """
    try:
        search = re.compile(_branches(root)).search
    except RecursionError:
        return None
    return lambda text: search(text) is not None


def _branches(node: _Node) -> str:
    if not node or (node.depth and _own(node)):
        return ""  # a word ends here: what would make it longer does not matter
    branches = [re.escape(char) + _branches(child) for char, child in sorted(node.items())]
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


def _own(node: _Node) -> bool:
    return any(length == node.depth for length, _, _ in node.ends)
