"""``basicsr compare``: results of several runs, validated against the first."""
