"""Finding banned words and patterns in text that arrives in pieces, and letting the rest through at once. Sans-IO."""

from .answer import AnswerScreen
from .arguments import ArgumentsScreen
from .folding import Folding
from .patterns import Pattern
from .scan import Match, Scan
from .screen import Matcher, Screen
from .words import Word, Words

__all__ = [
    "AnswerScreen",
    "ArgumentsScreen",
    "Folding",
    "Match",
    "Matcher",
    "Pattern",
    "Scan",
    "Screen",
    "Word",
    "Words",
]
