"""The notebook runs from its first cell to its last, without anything from outside."""

import nbformat
import torch
from nbclient import NotebookClient

from pgtf_basicsr.archs import FaceParsingNet
from pgtf_basicsr.checkpoints import write_checkpoint

from ..helpers.quickstart import ROOT, stage_options
from ..helpers.training_steps import network


def test_notebook(tmp_path, sample_root, monkeypatch):
    """With random weights of a tiny network; what is drawn is looked at by people."""
    torch.manual_seed(0)
    options = stage_options(4)['network_g']
    for name, net, described in (
        ('quickstart_stage4', network(options), {'network': options}),
        ('quickstart_parsing', FaceParsingNet(), {}),
    ):
        folder = tmp_path / 'experiments' / name / 'models'
        folder.mkdir(parents=True)
        write_checkpoint(folder / 'net_g_latest.pth', {'params': net.state_dict(), **described})
    (tmp_path / 'datasets').mkdir()
    (tmp_path / 'datasets' / 'sample').symlink_to(sample_root)

    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    notebook = nbformat.read(ROOT / 'examples' / 'restore_a_clip.ipynb', as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == 'code']
    assert len(cells) == 5 and not any(cell.outputs for cell in cells)  # committed without outputs
    (tmp_path / 'examples').mkdir()
    NotebookClient(notebook, timeout=120, resources={'metadata': {'path': tmp_path / 'examples'}}).execute()
    figures = [[output for output in cell.outputs if 'image/png' in output.get('data', {})] for cell in cells]
    assert list(map(len, figures)) == [0, 0, 1, 1, 1]
