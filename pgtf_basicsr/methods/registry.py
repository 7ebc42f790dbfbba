"""Methods by name: built from options, or reported as missing what they need.

A plugin of the entry-point group ``basicsr.plugins`` registers its own::

    @METHOD_REGISTRY.register()
    class Sharpened(Method):
        title = 'Sharpened'
        needs = MethodNeeds()

        def restore(self, frames):
            ...
"""

import functools
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from basicsr.utils import get_root_logger
from basicsr.utils.registry import Registry
from pydantic import ValidationError

from ..config.mistakes import first_mistake, mistake_at
from ..config.signatures import arguments_of
from ..config.value_types import as_in_yaml, nearest
from ..errors import UserError
from ..files import expand_home
from .method import Method

__all__ = ['METHOD_REGISTRY', 'build_method', 'check_options', 'method_type', 'missing_weights']

METHOD_REGISTRY = Registry('method')


def build_method(options: Mapping[str, Any]) -> Method:
    """Build a method.

    Args:
        options (Mapping): Registered ``type`` and the arguments of its constructor, such as ``dict(type='CodeFormer',
            weights='weights/codeformer.pth', fidelity=0.5, device='auto', precision='fp32')``.

    Returns:
        Method: Ready to restore.

    Raises:
        UserError: The options are wrong, or something that the method needs is missing or unreadable.
    """
    kind = method_type(options)
    missing = missing_weights(options)
    if missing is not None:
        raise UserError(missing)
    _log_licence(kind)
    return kind(**_arguments(options))


def missing_weights(options: Mapping[str, Any]) -> str | None:
    """Say in one line what is missing to run a method: a file of weights, or packages. Nothing is built or imported.

    Args:
        options (Mapping): As of `build_method`.

    Returns:
        str | None: Which file is missing, where it was looked for, and where it is published; None if it can run.

    Raises:
        UserError: The options are wrong.
    """
    kind = method_type(options)
    needs, weights = kind.needs, options.get('weights')
    if needs.weights and weights is None:
        return f'{kind.title} needs weights: {needs.weights}; name their file with the option weights'
    if weights is not None:
        path = expand_home(weights)
        if not path.is_file():
            published = f'; {needs.weights}' if needs.weights else ''
            return f'weights of {kind.title} not found: {path} (looked for {path.absolute()}){published}'
    absent = [name for name in needs.packages if find_spec(name) is None]
    if absent:
        return f'{kind.title} needs {" and ".join(absent)}, the extra methods: pip install "pgtf-basicsr[methods]"'
    return None


def method_type(options: Mapping[str, Any]) -> type[Method]:
    """Find the class that options of a method name, and check the options against its constructor.

    Raises:
        UserError: There is no such method, or it has no such options.
    """
    try:
        return check_options(dict(options))
    except ValidationError as error:
        raise UserError(f'method {options.get("type", "")}: {first_mistake(error)}') from None


def check_options(options: dict[str, Any]) -> type[Method]:
    """Check options of a method, in validators of option files.

    Args:
        options (dict): As of `build_method`. ``weights`` may be missing or null: `missing_weights` reports that.

    Returns:
        type: The method's class.

    Raises:
        ValidationError: There is no such method, or it has no such options; the error is at the option's key.
    """
    known = dict(iter(METHOD_REGISTRY))
    name = options.get('type')
    if not isinstance(name, str):
        raise mistake_at('type', ' is missing' if name is None else ' must be the name of a method')
    if name not in known:
        near = nearest(name, known, cutoff=0.4)
        hint = f'did you mean {near}?' if near else f'known are {", ".join(sorted(known))}'
        raise mistake_at('type', f': no method is registered as {name}; {hint}')
    kind, arguments = known[name], as_in_yaml(_arguments(options))
    if kind.needs.weights and arguments.get('weights') is None:
        arguments['weights'] = kind.needs.weights
    arguments_of(kind).model_validate(arguments)
    return kind


def _arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != 'type'}


@functools.cache
def _log_licence(kind: type[Method]) -> None:
    """Say under which terms a method may be used, where they restrict that, once per process."""
    if kind.needs.is_restricted:
        # A warning, which is shown in every command.
        get_root_logger().warning(f'{kind.title}: {kind.needs.licence}.')
