"""Sample data for the quickstart and tests, and previews of datasets."""
