"""Files of traced networks: torch.export's ``.pt2`` and ONNX."""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..errors import UserError
from .comparison import Run, seeded_batch
from .graphs import Graph

__all__ = [
    'METADATA',
    'check_packages',
    'json_metadata',
    'run_onnx',
    'run_torch_export',
    'write_onnx',
    'write_torch_export',
]

# Keys of the metadata of all formats; their values are JSON. The first two are those of checkpoints.
METADATA = ('network', 'checkpoint', 'graph')
OPSET = 20
PACKAGES = ('onnx', 'onnxscript', 'onnxruntime')


def check_packages() -> None:
    """Raise a UserError unless the packages that ONNX needs are installed."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UserError(f'ONNX needs {", ".join(missing)}: pip install "pgtf-basicsr[export]"')


def write_torch_export(graph: Graph, path: Path, metadata: Mapping[str, Any]) -> None:
    """Write a graph as a program of torch.export.

    Args:
        graph (Graph): The network.
        path (Path): A ``.pt2`` file.
        metadata (Mapping): What it states about itself, plain values; see `METADATA`.
    """
    # Not by its name, which would be written into it.
    with _quiet(), open(path, 'wb') as file:
        torch.export.save(trace(graph), file, extra_files=json_metadata(metadata))


def run_torch_export(path: Path) -> Run:
    """Load a file of `write_torch_export`; returns what runs it."""
    return torch.export.load(path).module()


def write_onnx(graph: Graph, path: Path, metadata: Mapping[str, Any]) -> None:
    """Write a graph as ONNX, weights and all in one file; arguments as of `write_torch_export`."""
    with _quiet():
        program = torch.onnx.export(
            trace(graph),
            dynamo=True,
            opset_version=OPSET,
            input_names=[graph.input],
            output_names=graph.outputs,
            verbose=False,
        )
        assert program is not None  # of the exporter that dynamo names
        program.model.metadata_props.update(json_metadata(metadata))
        program.save(path, external_data=False)


def run_onnx(path: Path) -> Run:
    """Load a file of `write_onnx`; returns what runs it on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])
    (argument,) = session.get_inputs()
    return lambda batch: [torch.from_numpy(output) for output in session.run(None, {argument.name: batch.numpy()})]


def trace(graph: Graph) -> ExportedProgram:
    """Trace a graph for batches of any number."""
    example = seeded_batch(graph.shape, 2, 0)
    with torch.no_grad():
        # What depends on sizes alone is made once and kept: traced, it would be kept without values.
        graph(example[:1])
    # With gradients, per-frame layers take all frames as one batch; without, they would be traced for this number.
    # And as if attention were plain matrix products: fused kernels differ in how they lay out what follows from them.
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        program = torch.export.export(graph, (example,), dynamic_shapes=({0: Dim('batch')},))
    program.example_inputs = None
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, GraphModule) else ():
            # Paths of this machine.
            node.meta.pop('stack_trace', None)
    return program


def json_metadata(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Metadata as files hold it: JSON by key."""
    return {key: json.dumps(value) for key, value in metadata.items()}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' notes on their own innards."""
    loggers = [logging.getLogger(name) for name in ('torch.onnx', 'onnxscript', 'onnx_ir')]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)
