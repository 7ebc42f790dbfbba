"""Packages that only the extras need."""

import sys


def assert_not_imported():
    """Fail where one of them has been imported."""
    assert not {'gradio', 'huggingface_hub', 'spandrel'} & set(sys.modules)
