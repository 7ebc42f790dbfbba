"""Option files: read safely, changed from the command line, checked before anything is made on disk."""
import difflib
import os
import tempfile

import torch
import yaml
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, METRIC_REGISTRY, MODEL_REGISTRY

from .compat import SafeLoader
from .errors import UserError

__all__ = ['check', 'load', 'override', 'write']

REQUIRED = ('name', 'model_type', 'num_gpu', 'network_g', 'datasets', 'path')
REQUIRED_TO_TRAIN = (
    'datasets.train', 'train.total_iter', 'train.optim_g.type', 'train.scheduler.type', 'logger.print_freq',
    'logger.save_checkpoint_freq', 'logger.use_tb_logger')


def load(path):
    """Read an option file.

    Args:
        path (str): A YAML file. No objects are constructed, keys must not repeat, 1e-4 is a number.

    Returns:
        dict: The options as they stand in the file.

    Raises:
        UserError: If there is no such file, or it is not YAML, or not a mapping.
    """
    try:
        with open(path, encoding='utf-8') as file:
            options = yaml.load(file, SafeLoader)
    except OSError as error:
        raise UserError(f'cannot read the option file {path}: {error.strerror}') from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, 'problem_mark', None)
        where = f'{path}, line {mark.line + 1}' if mark else path
        raise UserError(f'{where}: not a valid option file: {getattr(error, "problem", None) or error}') from error
    if not isinstance(options, dict):
        raise UserError(f'{path}: an option file holds sections such as name:, datasets: and train:')
    return options


def override(options, entries):
    """Change options by BasicSR's ``--force_yml`` entries, such as ``train:ema_decay=0.99``.

    The value is read as YAML. Sections must exist; nothing is evaluated.
    """
    for entry in entries:
        keys, separator, value = entry.partition('=')
        *sections, last = keys.strip().split(':')
        section = options
        for name in sections:
            section = section.get(name) if isinstance(section, dict) else None
        if not separator or not isinstance(section, dict):
            raise UserError(f'--force_yml {entry}: expected section:key=value with a section of the option file')
        try:
            section[last] = yaml.load(value, SafeLoader)
        except yaml.YAMLError as error:
            raise UserError(f'--force_yml {entry}: the value is not valid YAML') from error


def write(options, name):
    """Write options to a new file called ``name`` in a temporary folder and return its path."""
    path = os.path.join(tempfile.mkdtemp(prefix='basicsr-options-'), name)
    with open(path, 'w', encoding='utf-8') as file:
        yaml.safe_dump(options, file, sort_keys=False)
    return path


def check(options, path, is_train):
    """Refuse options that cannot run, all mistakes at once.

    Args:
        options (dict): The options of one file.
        path (str): That file, for the message.
        is_train (bool): For training, or for a test.

    Raises:
        UserError: With one line for each mistake.
    """
    mistakes = list(missing_keys(options, is_train)) or list(malformed_sections(options))
    if not mistakes:
        mistakes = [*unknown_names(options), *missing_files(options), *impossible_settings(options, is_train)]
    if mistakes:
        raise UserError('\n'.join(f'{path}: {mistake}' for mistake in mistakes))


def missing_keys(options, is_train):
    """Yield a line for each key that BasicSR's loop cannot do without."""
    for key in REQUIRED + (REQUIRED_TO_TRAIN if is_train else ('val.save_img',)):
        value = options
        for part in key.split('.'):
            value = value.get(part) if isinstance(value, dict) else None
        if value is None:
            yield f'{key} is missing'


def malformed_sections(options):
    """Yield a line for each section that is no section, and for a num_gpu that is no number."""
    sections = {key: value for key, value in options.items()
                if key.startswith('network_') or key in ('datasets', 'path', 'train', 'val')}
    for name, section in list(sections.items()):
        if isinstance(section, dict):
            sections.update({f'{name}.{key}': value for key, value in section.items()
                             if name == 'datasets' or key.endswith('_opt')})
    for name, section in sections.items():
        if section is not None and not isinstance(section, dict):
            yield f'{name} is {section!r}, but it must be a section with keys of its own'
    if options['num_gpu'] != 'auto' and not isinstance(options['num_gpu'], int):
        yield f'num_gpu is {options["num_gpu"]!r}: it must be a number, or auto'


def unknown_names(options):
    """Yield a line for each ``type`` that no plugin has registered."""
    named = [('model_type', options['model_type'], MODEL_REGISTRY)]
    named += [(f'{key}.type', section.get('type'), ARCH_REGISTRY) for key, section in options.items()
              if key.startswith('network_')]
    named += [(f'datasets.{key}.type', section.get('type'), DATASET_REGISTRY)
              for key, section in options['datasets'].items()]
    named += [(f'train.{key}.type', section.get('type'), LOSS_REGISTRY)
              for key, section in (options.get('train') or {}).items() if key.endswith('_opt') and section]
    named += [(f'val.metrics.{key}.type', section.get('type'), METRIC_REGISTRY)
              for key, section in ((options.get('val') or {}).get('metrics') or {}).items()]
    for where, name, registry in named:
        # BasicSR looks a name up with this suffix as well.
        if name not in registry and f'{name}_basicsr' not in registry:
            near = difflib.get_close_matches(str(name), registry.keys(), n=3, cutoff=0.4)
            hint = f'did you mean {" or ".join(near)}?' if near else f'known are {", ".join(sorted(registry.keys()))}'
            yield f'{where}: nothing is registered as {name}; {hint}'


def missing_files(options):
    """Yield a line for each data folder or file of weights that does not exist."""
    for name, section in options['datasets'].items():
        for key, path in section.items():
            if (key.startswith('dataroot') or key == 'meta_info_file') and path is not None:
                if not os.path.exists(os.path.expanduser(path)):
                    yield f'datasets.{name}.{key}: {path} does not exist (looked in {os.getcwd()})'
    weights = {f'path.{key}': path for key, path in options['path'].items()
               if key.startswith('pretrain_network') or key == 'resume_state'}
    weights.update({f'train.{key}.weights': section.get('weights')
                    for key, section in (options.get('train') or {}).items() if key.endswith('_opt') and section})
    for key, path in weights.items():
        if path is not None and not os.path.isfile(os.path.expanduser(path)):
            yield f'{key}: {path} does not exist (looked in {os.getcwd()})'


def impossible_settings(options, is_train):
    """Yield a line for each setting that leaves nothing to do, or nowhere to do it."""
    if options['num_gpu'] != 'auto' and options['num_gpu'] > torch.cuda.device_count():
        yield (f'num_gpu is {options["num_gpu"]}, but {torch.cuda.device_count()} can be used here: '
               'set it to 0 for the CPU, or to auto')
    if not is_train and options['path'].get('pretrain_network_g') is None:
        yield 'path.pretrain_network_g is missing: a test needs weights'
    if is_train and options['train']['total_iter'] < 1:
        yield f'train.total_iter is {options["train"]["total_iter"]}: there would be no iteration'
