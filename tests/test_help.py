"""What ``help`` prints of public names."""

import pydoc

import pytest

from pgtf_basicsr import archs, data, losses, metrics, models
from pgtf_basicsr.archs import blocks

PUBLIC = [getattr(module, name) for module in (archs, blocks, losses, metrics, data, models) for name in module.__all__]


@pytest.mark.parametrize('item', PUBLIC, ids=lambda item: item.__name__)
def test_signatures_are_readable(item):
    lines = pydoc.render_doc(item, renderer=pydoc.plaintext).splitlines()
    # Of options, which are pydantic's classes, it also prints the table of annotations.
    lines = [line for line in lines if '__annotations__ = ' not in line]
    assert [line for line in lines if 'Annotated[' in line or ' at 0x' in line] == []


def test_bounds_have_names():
    text = pydoc.render_doc(archs.TSVQGAN, renderer=pydoc.plaintext)
    assert 'TSVQGAN(image_size: Count = 512, num_frames: Count = 3, width: Count = 64, multipliers: Counts = (' in text
