"""The store: everything that must survive a crash, and the only SQL of the program. Nothing outside sees a connection or a row."""

from bot.model import DeclaredFeed
from bot.store.archive import Counts, Hit
from bot.store.store import Store

__all__ = ["Counts", "DeclaredFeed", "Hit", "Store"]
