"""The store: everything that must survive a crash, and the only SQL of the program. Nothing outside sees a connection or a row."""

from bot.model import DeclaredFeed
from bot.store.archive import Counts, Hit
from bot.store.chat import ChatRows, Holdings
from bot.store.store import Store
from bot.store.subscriptions import Subscription, has_credentials

__all__ = ["ChatRows", "Counts", "DeclaredFeed", "Hit", "Holdings", "Store", "Subscription", "has_credentials"]
