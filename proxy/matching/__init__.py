"""Finding banned words and patterns in text that arrives in pieces, and letting the rest through at once. Sans-IO."""

from .answer import AnswerScreen
from .arguments import ArgumentsScreen
from .folding import Folding
from .patterns import Engine, Pattern, has_re2
from .personal import KINDS, Personal, PersonalKind
from .scan import Match, Scan
from .screen import Matcher, Screen
from .words import Word, Words

__all__ = [
    "KINDS",
    "AnswerScreen",
    "ArgumentsScreen",
    "Engine",
    "Folding",
    "Match",
    "Matcher",
    "Pattern",
    "Personal",
    "PersonalKind",
    "Scan",
    "Screen",
    "Word",
    "Words",
    "has_re2",
]
