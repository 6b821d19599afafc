"""The host agent: starts, watches, signals and stops the engines of one host, and cleans up."""
