"""From a file of weights to a file for another program, which is compared with it before it has its name."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError

from ..archs.loading import find_network, load_network
from ..checkpoints import read_checkpoint
from ..errors import UserError, require
from ..files import replacing
from ..hub import find_weights
from .comparison import Run, check_outputs
from .graph_files import check_packages, run_onnx, run_torch_export, write_onnx, write_torch_export
from .graphs import Graph, graph_of
from .weight_files import NAMES, check_weights, named_state, write_weights

__all__ = ['NAMES', 'SUFFIXES', 'export']


class GraphFormat(NamedTuple):
    """A file format of traced networks.

    Attributes:
        check: Raises a UserError where packages are missing.
        write: Writes a graph with metadata.
        run: Loads what was written.
    """

    check: Callable[[], None]
    write: Callable[[Graph, Path, Mapping[str, Any]], None]
    run: Callable[[Path], Run]


GRAPH_FORMATS = {
    '.pt2': GraphFormat(lambda: None, write_torch_export, run_torch_export),
    '.onnx': GraphFormat(check_packages, write_onnx, run_onnx),
}
WEIGHT_FORMATS = ('.safetensors', '.pth')
SUFFIXES = (*WEIGHT_FORMATS, *GRAPH_FORMATS)


def export(
    weights: str | Path,
    output: str | Path,
    option_file: str | Path | None = None,
    param_key: str | None = None,
    names: str | None = None,
    size: tuple[int, int] | None = None,
    fidelity: float | None = None,
) -> str:
    """Write the network of a file of weights for another program.

    Args:
        weights (str | Path): A file that `checkpoints.read_checkpoint` reads, or one on the Hub, see
            `hub.find_weights`.
        output (str | Path): The file to write. Its suffix is the format: ``.safetensors`` and ``.pth`` hold weights,
            ``.pt2`` (torch.export) and ``.onnx`` the traced network with its weights.
        option_file (str | Path, optional): Option file whose ``network_g`` is the network. Default: the network that
            the weights name, or else the published one.
        param_key (str, optional): Key of the weights. Default: params_ema, else params.
        names (str, optional): Names of the tensors, of `NAMES`. Default: own.
        size (tuple[int, int], optional): Width and height of the frames of a traced network. Default: its own.
        fidelity (float, optional): The paper's w of a traced PGTFormer. Default: 1.

    Returns:
        str: What was written and how it compares with the original, for people.

    Raises:
        UserError: A file is missing, unreadable or cannot be written, an argument is wrong, a package is missing, or
            the exported network is not the original. Nothing is written then.
    """
    output = Path(output)
    traced = GRAPH_FORMATS.get(output.suffix)
    require(
        traced is not None or output.suffix in WEIGHT_FORMATS,
        f'{output} names no format: the suffix must be one of {", ".join(SUFFIXES)}',
    )
    require(output.parent.is_dir(), f'{output} cannot be written: there is no folder {output.parent}')
    require(output.resolve() != Path(weights).resolve(), f'{output} is the input itself: choose another output')
    if traced:
        require(names is None, f'--names is for weights ({", ".join(WEIGHT_FORMATS)}), not for {output.suffix}')
        traced.check()
    else:
        given = size is not None or fidelity is not None
        require(
            not given, f'--size and --fidelity are for {" and ".join(GRAPH_FORMATS)}; {output.suffix} holds weights'
        )

    checkpoint = read_checkpoint(find_weights(weights))
    network, name = find_network(checkpoint, option_file)
    net = load_network(checkpoint, network, name, param_key)
    metadata = {'network': network} | ({'checkpoint': checkpoint.origin} if checkpoint.origin else {})
    try:
        with replacing(output) as partial:
            if traced:
                return _export_graph(graph_of(net, size, fidelity), traced, partial, output, metadata)
            key, state = named_state(net, checkpoint, param_key, names or NAMES[0])
            write_weights(partial, key, state, metadata)
            with _named(output):
                check_weights(net, partial, network)
            return f'{output}: {type(net).__name__}, {len(state)} tensors; read again, they have the same bits'
    except (OSError, RuntimeError, SafetensorError) as error:
        # torch wraps what the file system says.
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, OSError | SafetensorError):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        reason = getattr(cause, 'strerror', None) or ' '.join(str(cause).split())
        raise UserError(f'{output} cannot be written: {reason}') from error


def _export_graph(graph: Graph, traced: GraphFormat, partial: Path, output: Path, metadata: Mapping[str, Any]) -> str:
    traced.write(graph, partial, {**metadata, 'graph': graph.settings})
    with _named(output):
        difference = check_outputs(graph, traced.run(partial))
    return (
        f'{output}: {graph.description}; on a seeded batch its output differs from the original by at most '
        f'{difference.largest:.2g}'
    )


@contextmanager
def _named(output: Path) -> Iterator[None]:
    """Say of which file a comparison fails."""
    try:
        yield
    except UserError as error:
        raise UserError(f'{output} is not written: {error}') from error
