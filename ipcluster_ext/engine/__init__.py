"""The engine process: an IPython kernel with a lane for tasks."""
