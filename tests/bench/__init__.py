"""The benchmark suite: this package and its peers, measured side by side in one run.

Run it from the root of the repository with ``python -m tests.bench``. Ratios between systems
mean something; absolute figures belong to the machine and the hour.
"""
