"""Reports of one's own, as docs/restoration.md shows them."""

import pytest

from pgtf_basicsr.restoration.whole_video import Restorer

from ..helpers.documents import blocks_of
from ..helpers.small_networks import PGTFormer, build, write
from ..helpers.videos import moving_frames, write_video


@pytest.mark.parametrize('suffix, done', [('.mp4', '50 %'), ('.mkv', '2 frames')])
def test_the_report_of_the_documentation(tmp_path, capsys, suffix, done):
    """Also of .mkv, which does not state how many frames it has."""
    weights = write(tmp_path / 'net_g.pth', PGTFormer, params=build(PGTFormer).state_dict())
    source = write_video(tmp_path / f'in{suffix}', moving_frames(4, 48, 32), 25)
    (example,) = [block.text for block in blocks_of('docs/restoration.md') if 'class Percent' in block.text]
    definition, _, _ = example.partition('\n\n\nrestorer.')
    exec(definition, names := {'__name__': 'example'})
    restorer = Restorer.from_checkpoint(weights, faces='crop', size=16)
    restorer.restore_video(source, tmp_path / 'out.mkv', report=names['Percent']())
    assert capsys.readouterr().out.splitlines()[1] == f'restoration: {done}, None faces'
