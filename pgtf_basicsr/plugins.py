"""Packages that register networks, losses, metrics, datasets or models of their own."""

from importlib.metadata import entry_points

from .errors import UserError

__all__ = ['load_plugins']


def load_plugins() -> None:
    """Import every installed package of the entry-point group ``basicsr.plugins``.

    Raises:
        UserError: If one fails to import; it says which and why.
    """
    for plugin in entry_points(group='basicsr.plugins'):
        try:
            plugin.load()
        except Exception as error:
            raise UserError(
                f'the plugin {plugin.name} ({plugin.value}) cannot be loaded: '
                f'{type(error).__name__}: {error}; mend or uninstall it'
            ) from error
