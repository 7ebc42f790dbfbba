"""Everything that this package changes of BasicSR from outside; :mod:`.patches` lists it.

Importing the package applies what lets BasicSR import and run on current torch, without a GPU as well, and changes no
number.  What changes behaviour applies to this package's own runs alone; another program can ask for it::

    import pgtf_basicsr
    pgtf_basicsr.host.mend()
"""

# isort: off
import warnings

from pgtf_process import postpone_compiler

from .removed_modules import REMOVED_MODULES

postpone_compiler()
for _module in REMOVED_MODULES:
    _module.apply()
with warnings.catch_warnings():
    # BasicSR's own use of names that its libraries have announced to drop.
    warnings.simplefilter('ignore', DeprecationWarning)
    import basicsr  # noqa: F401

from .patches import AT_IMPORT, OWN_RUNS, apply_at_import, mend, mending  # noqa: E402

# isort: on
__all__ = ['AT_IMPORT', 'OWN_RUNS', 'REMOVED_MODULES', 'mend', 'mending']

# Here and not in a command: spawned data workers and foreign projects import the package alone.
apply_at_import()
