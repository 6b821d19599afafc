"""The command ``ipcluster-ext``: clusters, from a shell."""
