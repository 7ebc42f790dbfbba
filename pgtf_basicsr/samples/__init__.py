"""The sample data of the quickstart, and previews of datasets."""
