"""From a page to understanding: pure functions and frozen values. No network, no clock, no files but its own language data."""
