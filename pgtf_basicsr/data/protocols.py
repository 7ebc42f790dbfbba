"""Protocols: how a benchmark is made of clips, as a small YAML file that states every number."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from ..config.checking import FILE_KINDS, parse_section
from ..config.packaged.files import find_option_file, packaged_files
from ..config.reading import OptionFile, read
from ..config.sections import Section
from ..config.value_types import as_in_yaml, nearest, refuse, shown
from ..errors import UserError
from .degradation import DegradationRanges
from .placement import PlacementRanges

__all__ = ['ALIGNED', 'CROPS', 'UNALIGNED', 'Protocol', 'open_protocol']

ALIGNED, UNALIGNED = CROPS = ('aligned', 'unaligned')
_FOLDER = 'protocols'
# The codec whose bytes are the same on every machine, see `video.codecs.REPRODUCIBLE`.
_EXACT_CODEC = 'libx264'


def _name(value):
    if not value or not all(character.isascii() and (character.isalnum() or character in '-_.') for character in value):
        refuse(f' is {shown(value)}; it must be a word of letters, digits, - and _')
    return value


def _once(values):
    if not values or len(set(values)) < len(values):
        refuse(f' is {shown(values)}; it must name one or more, each once')
    return values


class Protocol(Section):
    """How a benchmark is made of clips."""

    is_exact: ClassVar[bool] = True

    name: Annotated[str, AfterValidator(_name)] = Field(description='what results are labelled with')
    size: Annotated[int, Ge(16)] = Field(description='side of all frames in pixels')
    crops: Annotated[list[Literal['aligned', 'unaligned']], AfterValidator(_once)] = Field(
        description='aligned: by the landmarks of the centre frame to the FFHQ template; unaligned: moved from there'
    )
    placement: PlacementRanges | None = Field(
        None, validate_default=True, description='how far unaligned faces lie from their aligned place'
    )
    degradation: DegradationRanges | None = Field(
        description='how clips are degraded; ~ takes them for degraded already, without ground truth'
    )
    clips: Annotated[list[str], AfterValidator(_once)] | None = Field(None, description='names of clips; ~ takes all')
    max_frames: Annotated[int, Ge(1)] | None = Field(
        None, description='frames of each clip, from its start; ~ takes all'
    )
    seed: Annotated[int, Ge(0)] = Field(description='seed of all draws')

    @field_validator('placement')
    @classmethod
    def _of_unaligned(cls, placement: PlacementRanges | None, info: ValidationInfo) -> PlacementRanges | None:
        if placement is None and UNALIGNED in info.data.get('crops', ()):
            refuse(' is missing: unaligned crops need it')
        return placement

    @field_validator('degradation')
    @classmethod
    def _is_exact(cls, ranges: DegradationRanges | None) -> DegradationRanges | None:
        if ranges and ranges.codec != _EXACT_CODEC:
            refuse(f'.codec is {ranges.codec}; it must be {_EXACT_CODEC}, whose bytes are the same on every machine')
        if ranges and not ranges.resize_back:
            refuse('.resize_back is false; degraded frames have the size of the ground truth')
        return ranges

    @property
    def has_gt(self) -> bool:
        """Whether there is ground truth."""
        return self.degradation is not None

    def options(self) -> dict[str, Any]:
        """Return all options with their defaults, in types of JSON; numbers that are equal look alike."""
        return _plain(as_in_yaml(self.model_dump(exclude={'degradation': {'variant'}})))


FILE_KINDS['crops'] = Protocol


def open_protocol(name: str | Path) -> tuple[Protocol, OptionFile]:
    """Read a protocol.

    Args:
        name (str | Path): A file, or the name of one that comes with the package, such as 'table1'.

    Returns:
        tuple[Protocol, OptionFile]: The options, and the file, which knows the line of each.

    Raises:
        UserError: There is none, or it has mistakes, a line for each.
    """
    packaged = {Path(path).stem: path for path in packaged_files() if Path(path).parent.name == _FOLDER}
    if str(name) in packaged and not Path(name).is_file():
        name = packaged[str(name)]
    elif not Path(name).is_file() and '/' not in str(name) and not str(name).endswith(('.yml', '.yaml')):
        near = nearest(name, packaged)
        raise UserError(
            f'--protocol: there is no protocol {name}; '
            + (f'did you mean {near}?' if near else f'there are {", ".join(packaged)}, or name a file')
        )
    file = read(find_option_file(name))
    return parse_section(file, Protocol), file


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
