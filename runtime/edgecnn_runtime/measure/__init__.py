"""Latency measurement: rounds, worker processes, timed runs, statistics, disturbances, results."""
