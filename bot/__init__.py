"""wirewatch: feeds in, articles read, watches matched, alerts delivered once. The rooms are drawn in docs/design.md."""

__version__ = "0.1.0"
