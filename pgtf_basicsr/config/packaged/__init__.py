"""Option files that come with the package, in ``pgtf_basicsr/options``: found by name, listed, copied."""
