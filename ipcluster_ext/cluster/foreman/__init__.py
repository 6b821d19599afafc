"""The foreman: starts engines on other hosts, and has programs that take long started first."""
