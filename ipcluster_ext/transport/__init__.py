"""The wires: ZeroMQ sockets, shared memory and files; they carry and do not understand."""
