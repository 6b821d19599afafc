"""The Jupyter server extension: what a browser may know of clusters, and do with them."""
