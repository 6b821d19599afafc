"""The client library: who asked, and which answers are owed."""
