"""What is measured: one file per group of workloads, listed in ``catalogue``."""
