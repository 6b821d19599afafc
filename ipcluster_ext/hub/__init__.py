"""The hub process: carries events to the core and its effects to their destinations."""
