"""Everything that leaves the machine: one guarded client for feeds, article pages and robots.txt.

It alone opens connections to publishers. It never reads a document, never knows the store, and never logs an address.
"""
