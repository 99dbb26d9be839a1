"""The first process of the server's container: holds the port, brings init, and keeps the server running.

It needs the standard library alone, and little of that: it is there for as long as the sandbox is, and counts as the server does.
"""
