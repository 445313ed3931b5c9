"""`feed`, `extract`, `match` and `check`: one document in, what the bot makes of it out. The same steps as on the road, no store.

One module for each command, so that each loads only what it needs: these commands are called once for each of many files.
"""
