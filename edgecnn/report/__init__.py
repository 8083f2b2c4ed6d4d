"""Reports for people: tables, plots, progress, JSON."""
