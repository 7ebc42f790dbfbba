"""Code in the documentation: Python that is run as it stands, and YAML whose types and arguments exist."""

import os
import tempfile
import traceback
from contextlib import contextmanager, nullcontext
from functools import partial

import pytest
import torch
import yaml
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, METRIC_REGISTRY
from pydantic import ValidationError

from pgtf_basicsr.config.registered_sections import COMPARED, OPTIMIZERS, SCHEDULERS
from pgtf_basicsr.config.registries import look_up
from pgtf_basicsr.config.signatures import arguments_of
from pgtf_basicsr.methods.registry import check_options
from pgtf_basicsr.models.method_comparison_options import method_options

from ..helpers.documents import OWN_TESTS, PAGES, blocks_of
from ..helpers.processes import CONTEXT
from ..helpers.quickstart import stage_options
from ..helpers.small_networks import PGTFormer, build, write
from ..helpers.videos import moving_frames, write_video

# Pages, or words of a block, whose Python is compiled alone, and why.
NOT_RUN = {'CONTRIBUTING.md': 'parts of files, with imports of their own', 'train_pipeline': 'a training'}
PYTHON = {
    page: [block for block in blocks_of(page) if block.language in ('python', 'pycon')]
    for page in PAGES
    if page not in OWN_TESTS
}
YAML = [block for page in PAGES for block in blocks_of(page) if block.language in ('yaml', 'yml')]


def test_python_runs():
    """All pages in one process of their own: examples register classes, and the published networks are large."""
    receiver, sender = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=run_pages, args=(sender,))
    process.start()
    sender.close()
    faults = receiver.recv()
    process.join()
    assert not faults, '\n\n'.join(faults)


@pytest.mark.parametrize('block', YAML, ids=lambda block: block.place)
def test_yaml_names_what_exists(block):
    sections = list(sections_of(yaml.safe_load(block.text)))
    faults = [fault for section in sections if 'type' in section for fault in faults_of(dict(section), block.title)]
    assert not faults, f'{block.place}: ' + '; '.join(faults)


# ------------------------------------------------------------------------------ Python


def run_pages(sender):
    """Run the examples of all pages, each page in a namespace, and send what went wrong."""
    from pgtf_basicsr import archs

    torch.manual_seed(0)
    # The examples build the paper's networks; here these are small.
    for stage, name in ((1, 'TSVQGAN'), (4, 'PGTFormer')):
        options = stage_options(stage)['network_g']
        options.pop('type')
        setattr(archs, name, partial(getattr(archs, name), **options))
    faults = []
    for page, blocks in PYTHON.items():
        names = given(page)
        with tempfile.TemporaryDirectory() as folder, inside(folder) if 'images' in names else nullcontext():
            for block in blocks:
                faults += run_block(block, names)
    sender.send(faults)


@contextmanager
def inside(folder):
    """Run a block in a folder with a video and weights."""
    before = os.getcwd()
    os.chdir(folder)
    write('net_g_latest.pth', PGTFormer, params=build(PGTFormer).state_dict())
    write_video('holiday.mov', moving_frames(3, 96, 64), 25)
    try:
        yield
    finally:
        os.chdir(before)


def run_block(block, names):
    """Run a block; returns what went wrong."""
    try:
        code = compile('\n' * (block.line - 1) + block.text, block.page, 'exec')
        if not any(key in block.page or key in block.text for key in NOT_RUN):
            exec(code, names)
    except (Exception, SystemExit):
        return [f'{block.place}\n{traceback.format_exc()}']
    return []


def given(page):
    """Names that a page's examples take for granted."""
    from pgtf_basicsr import archs

    names = {'__name__': 'example'}
    if page == 'README.md':
        clip = torch.rand(1, 3, 3, 32, 32)
        names.update(state=archs.PGTFormer().state_dict(), lq=clip, gt=clip)
    elif page == 'docs/restoration.md':
        names.update(net=archs.PGTFormer(), frames=torch.rand(4, 3, 32, 32), images=moving_frames(2, 48, 32))
    return names


# ------------------------------------------------------------------------------ YAML


def sections_of(value):
    """A section and all those in it."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from sections_of(inner)


def faults_of(section, title):
    """What is wrong with a section that names something by its type."""
    name = section.pop('type')
    if title:  # of a plugin: test_plugin.py checks the file by the command
        return []
    if name in OPTIMIZERS or name in SCHEDULERS or look_up(DATASET_REGISTRY, name):
        return []
    for registry in (ARCH_REGISTRY, LOSS_REGISTRY, METRIC_REGISTRY):
        item = look_up(registry, name)
        if item is not None:
            try:
                arguments_of(item, COMPARED).model_validate(section)
            except ValidationError as error:
                # Files of weights are not here.
                return [f'{name}: {fault["msg"]}' for fault in error.errors() if fault['type'] != 'missing_file']
            return []
    try:
        check_options(method_options({'type': name, **section}))
    except ValidationError as error:
        return [f'{name}: {fault["msg"]}' for fault in error.errors()]
    return []
