"""Sandboxes on this machine: bubblewrap's namespaces, held by one supervisor process for each."""
