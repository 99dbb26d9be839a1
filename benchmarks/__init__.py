"""Benchmarks: side by side in one run, interleaved, as ratios."""
