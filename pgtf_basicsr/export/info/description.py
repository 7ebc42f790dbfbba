"""What a file of weights is: found out from names, shapes and metadata, without executing anything it contains."""

import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ...archs import TSVQGAN, FaceParsingNet, PGTFormer, VQGANDiscriminator
from ...archs.loading import find_network, load_network, type_of
from ...archs.published_names import are_published
from ...checkpoints import Checkpoint, read_checkpoint, read_torch_file
from ...errors import UserError, require
from ...hub import find_weights
from ..graph_files import METADATA, check_packages
from .tensors import Listed, nested_tensors

__all__ = ['Description', 'describe']

# Tried where a file does not name its network.
DEFAULTS = (PGTFormer, TSVQGAN, FaceParsingNet, VQGANDiscriminator)
# Types in torch.export's files, by their number there.
EXPORTED_TYPES = {5: torch.int64, 6: torch.float16, 7: torch.float32, 8: torch.float64, 12: torch.bool}


@dataclass(frozen=True)
class Description:
    """What a file is.

    Attributes:
        path (Path): The file.
        facts (dict[str, str]): What is known of it, by label.
        tensors (dict[str, dict[str, Listed]]): Its tensors by name, by the key they are under.
    """

    path: Path
    facts: dict[str, str]
    tensors: dict[str, dict[str, Listed]]


def describe(path: str | Path) -> Description:
    """Describe a file: ``.pth``, ``.safetensors``, a training state, a network exported to ``.pt2`` or ``.onnx``.

    Args:
        path (str | Path): The file, or weights on the Hub, see `hub.find_weights`.

    Raises:
        UserError: It is missing, damaged, or nothing of these.
    """
    path = find_weights(path)
    require(not path.is_dir(), f'{path} is a folder, not a file')
    require(path.is_file(), f'there is no file {path} (looked for {path.absolute()})')
    describe_one = DESCRIBED.get(path.suffix, _describe_weights)
    try:
        return describe_one(path)
    except UserError:
        raise
    except Exception as error:  # a damaged or hostile file can raise nearly anything
        raise UserError(
            f'{path} cannot be read: it is damaged, or not what its name says ({type(error).__name__})'
        ) from error


def _describe_weights(path: Path) -> Description:
    checkpoint = read_checkpoint(path, mmap=True)
    # Shapes are enough from here on, whatever they say about values.
    checkpoint = replace(
        checkpoint,
        states={
            key: {name: tensor.to('meta') for name, tensor in state.items()} for key, state in checkpoint.states.items()
        },
    )
    facts = {'kind': 'weights' if checkpoint.origin is None else 'checkpoint of a network'}
    facts |= _origin_facts(checkpoint.origin, checkpoint.network, path)
    facts['names'] = 'published' if _has_published_names(checkpoint) else 'own'
    for key in checkpoint.states:
        facts[f'loads {key}'.rstrip()] = _fit(checkpoint, key)
    return Description(path, facts, {key: _list_all(state.items()) for key, state in checkpoint.states.items()})


def _describe_state(path: Path) -> Description:
    contents = read_torch_file(path, mmap=True)
    require('optimizers' in contents and 'iter' in contents, f'{path} is not a training state: it has no optimizers')
    facts = {'kind': 'training state', **_origin_facts(contents.get('checkpoint'), None, path)}
    facts['iteration'] = str(contents['iter'])
    for label, key in (('epoch', 'epoch'), ('seed', 'seed'), ('saved with', 'networks')):
        if contents.get(key) is not None:
            facts[label] = _text(contents[key])
    return Description(path, facts, {'': _list_all(nested_tensors(contents))})


def _describe_torch_export(path: Path) -> Description:
    with zipfile.ZipFile(path) as file:
        require(file.testzip() is None, f'{path} is damaged: a checksum does not hold')
        root = file.namelist()[0].partition('/')[0]
        require(file.read(f'{root}/archive_format') == b'pt2', f'{path} is not a file of torch.export')
        metadata = {
            key: json.loads(file.read(name)) for key in METADATA if (name := f'{root}/extra/{key}') in file.namelist()
        }
        tensors = {}
        for kind in ('weights', 'constants'):
            config = json.loads(file.read(f'{root}/data/{kind}/model_{kind}_config.json'))['config']
            tensors[kind] = {
                name: Listed.of((side['as_int'] for side in meta['sizes']), EXPORTED_TYPES[meta['dtype']])
                for name, meta in ((name, item['tensor_meta']) for name, item in config.items())
            }
    return Description(path, {'kind': 'network of torch.export', **_graph_facts(metadata, path)}, tensors)


def _describe_onnx(path: Path) -> Description:
    check_packages()
    import onnx

    # Without the files that it may name beside it.
    model = onnx.load(path, load_external_data=False)
    require(bool(model.graph.node), f'{path} is not an ONNX network: it has no operators')
    metadata = {item.key: json.loads(item.value) for item in model.metadata_props if item.key in METADATA}
    opset = max(item.version for item in model.opset_import if item.domain in ('', 'ai.onnx'))
    tensors = {}
    for tensor in model.graph.initializer:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
        tensors[tensor.name] = Listed(tuple(tensor.dims), dtype.name, dtype.itemsize)
    facts = {'kind': f'network in ONNX, opset {opset}', **_graph_facts(metadata, path)}
    return Description(path, facts, {'': tensors})


DESCRIBED: dict[str, Callable[[Path], Description]] = {
    '.state': _describe_state,
    '.pt2': _describe_torch_export,
    '.onnx': _describe_onnx,
}


def _origin_facts(source: Any, network: Any, path: Path) -> dict[str, str]:
    """Facts of `checkpoints.origin`, completed by what network and folder tell of older files."""
    source = source if isinstance(source, dict) else {}
    kind = type_of(network)
    experiment = source.get('experiment')
    parents = path.absolute().parents
    if experiment is None and parents[0].name in ('models', 'training_states'):
        experiment = f'{parents[1].name} (by its folder)'
    stage = source.get('stage')
    if stage is None:
        stage = {'TSVQGAN': 1, 'PGTFormer': '2, 3 or 4: the file does not say which'}.get(str(kind))
    facts = {
        'stage': stage,
        'iteration': source.get('iter'),
        'experiment': experiment,
        'option file': source.get('option_file'),
        'written by': ', '.join(
            f'{name} {source[key]}'
            for name, key in (('pgtf-basicsr', 'package'), ('torch', 'torch'))
            if source.get(key)
        ),
    }
    if kind:
        facts['network'] = kind
        facts['options'] = _text({key: value for key, value in network.items() if key != 'type'})
    return {label: _text(fact) for label, fact in facts.items() if fact not in (None, '')}


def _graph_facts(metadata: Mapping[str, Any], path: Path) -> dict[str, str]:
    facts = _origin_facts(metadata.get('checkpoint'), metadata.get('network'), path)
    settings = metadata.get('graph')
    return facts | {key: _text(value) for key, value in (settings.items() if isinstance(settings, dict) else ())}


def _has_published_names(checkpoint: Checkpoint) -> bool:
    return are_published(next(iter(checkpoint.states.values())))


def _fit(checkpoint: Checkpoint, key: str) -> str:
    """Say whether weights load into the network that their file names, or which of this package they are of."""
    if checkpoint.network:
        network, name = find_network(checkpoint)
        try:
            load_network(checkpoint, network, name, key)
        except UserError as error:
            return f'no: {error}'
        return f'yes, into {type_of(network)}'
    for kind in DEFAULTS:
        try:
            load_network(checkpoint, {'type': kind.__name__}, kind.__name__, key)
        except UserError:
            continue
        return f'yes, into {kind.__name__} with its defaults; the file does not name its network'
    return 'unknown: the file does not name its network'


def _list_all(tensors: Iterable[tuple[str, torch.Tensor]]) -> dict[str, Listed]:
    return {name: Listed.of(tensor.shape, tensor.dtype) for name, tensor in tensors}


def _text(value: Any) -> str:
    """Plain values in a line, as YAML's flow style has them."""
    if isinstance(value, Mapping):
        return ', '.join(f'{key} {_text(item)}' for key, item in value.items())
    if isinstance(value, list | tuple):
        return f'[{", ".join(map(_text, value))}]'
    return str(value)
