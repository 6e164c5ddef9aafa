"""A day as a device hears it that is left switched on: what is found, and what is not.

- `tasks`: whose recordings: digits, commands, ten keywords among other words
- `hearing`: what the arithmetic of a bundle reports, and when
- `__main__`: trains, or takes a bundle; chooses thresholds on a day of development, and
  prints the tables

    python -m benchmarks.day --task digits --data FSDD --other OTHER --out OUT
    python -m benchmarks.day --task keywords --data DATA --other OTHER --bundle BUNDLE
"""
