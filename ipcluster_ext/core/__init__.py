"""The hub's mind: what happens next, decided without any input, output, clock or chance."""
