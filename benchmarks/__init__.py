"""Speed and quality, each printing a table. `make bench` runs those that take a minute; `make kill` is its own."""
