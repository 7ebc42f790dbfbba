"""``basicsr prepare benchmark``: test sets by a protocol, and the check of them."""
