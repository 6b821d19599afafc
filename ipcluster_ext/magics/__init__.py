"""``%px`` and its kin: code for the engines, from IPython and notebooks."""
