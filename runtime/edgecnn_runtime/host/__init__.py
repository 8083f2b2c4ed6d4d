"""The host machine: hardware facts, processes, lock, energy counters, scratch folders."""
