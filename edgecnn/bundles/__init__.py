"""Contents of bundles and of plain model files: shown, extracted, stripped, compared."""
