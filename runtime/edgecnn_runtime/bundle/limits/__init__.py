"""Static limits of artefacts: what they may not do, decided before an engine opens them."""
