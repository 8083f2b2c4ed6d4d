"""From a bundle and boards to a table: what to measure, the run, its journal, and what it says."""
