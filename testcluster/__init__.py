"""A real one-node Kubernetes for tests, on a bare Linux machine. See README.md beside this file."""
