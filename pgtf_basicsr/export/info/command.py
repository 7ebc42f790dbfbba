"""``basicsr info``: what files of weights are."""

import sys
from argparse import ArgumentParser, Namespace

from ...errors import UserError, printable
from .description import Description, describe
from .tensors import megabytes, summary

__all__ = ['add_arguments', 'run']


def add_arguments(parser: ArgumentParser) -> None:
    """Add what `run` needs to an argparse parser."""
    parser.add_argument(
        'files', nargs='+', metavar='FILE', help='checkpoints, training states, .safetensors, .pt2 or .onnx'
    )
    parser.add_argument('--tensors', action='store_true', help='list all tensors with shapes and types')


def run(args: Namespace) -> None:
    """Describe files; those that cannot be read are reported after the others.

    Raises:
        UserError: There are such files, a line each.
    """
    mistakes = []
    for path in args.files:
        try:
            lines = text_of(describe(path), args.tensors)
        except UserError as error:
            mistakes.append(str(error))
        else:
            sys.stdout.write('\n'.join(map(printable, lines)) + '\n')
    if mistakes:
        raise UserError(*mistakes)


def text_of(description: Description, with_tensors: bool = False) -> list[str]:
    """Write a description in lines: the file, a line for each fact, and its tensors, or what they sum up to."""
    facts = {**description.facts, 'file': megabytes(description.path.stat().st_size)}
    facts |= {f'tensors {key}'.rstrip(): summary(tensors) for key, tensors in description.tensors.items()}
    width = max(map(len, facts))
    lines = [str(description.path), *(f'  {label:{width}}  {fact}' for label, fact in facts.items())]
    if with_tensors:
        for key, tensors in description.tensors.items():
            for name, tensor in tensors.items():
                shape = '×'.join(map(str, tensor.shape)) or 'a single number'
                lines.append(f'    {key and key + ": "}{name}  {shape}  {tensor.dtype}')
    return lines
