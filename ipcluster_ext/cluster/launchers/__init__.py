"""How host agents are started: one contract, one file for each way."""
