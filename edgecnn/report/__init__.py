"""What a person reads: tables, progress, JSON."""
