"""Sandboxes in a Kubernetes cluster."""
