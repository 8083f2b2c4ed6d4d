"""Benchmarks of bundles on boards: the request, the run, its journal, the verdicts."""
