"""Data from inside a task to whoever awaits it, under ipyparallel's name; see `publish`."""

from ipcluster_ext.engine.context import publish_data as publish_data
