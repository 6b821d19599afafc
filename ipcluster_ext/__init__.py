"""Interactive parallel computing for Jupyter."""
