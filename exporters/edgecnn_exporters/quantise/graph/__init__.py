"""Which operators become integers, and the QDQ graph that says so."""
