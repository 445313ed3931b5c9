"""The store: everything that must survive a crash, and the only SQL of the program. Nothing outside sees a connection or a row."""

from bot.model import DeclaredFeed
from bot.store.archive import Counts, FeedLine, Hit, Standing, StoredArticle
from bot.store.backlog import Backlog
from bot.store.chat import ChatRows, Holdings
from bot.store.store import Store
from bot.store.subscriptions import NewFeed, Subscription, has_credentials
from bot.store.told import Posting

__all__ = ["ChatRows", "Counts", "DeclaredFeed", "FeedLine", "Hit", "Holdings", "Standing", "Store", "StoredArticle"]
__all__ += ["Backlog", "NewFeed", "Posting", "Subscription", "has_credentials"]
