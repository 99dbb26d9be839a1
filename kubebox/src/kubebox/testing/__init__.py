"""The contract suite: what every backend must do, as plain coroutines that need no test framework.

Run it with `python -m kubebox.testing`, or call `run_contract` with a way to open a connected client.
"""

from kubebox.testing.contract import Box, Check, OpenClient, Outcome, all_checks, run_contract

__all__ = ["Box", "Check", "OpenClient", "Outcome", "all_checks", "run_contract"]
