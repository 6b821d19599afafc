"""One adapter per system that can be measured, all behind ``contract.System``."""
