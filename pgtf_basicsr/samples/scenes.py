"""Scenes with several portraits that move through a frame, with known truth: to try tracking on."""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..faces.analysis import Analysis
from ..faces.sampling import sample_crop
from ..faces.squares import FaceSquare, face_square
from .portraits import Portrait, portraits

__all__ = ['Actor', 'Scene', 'TrackScore', 'scenes', 'score_tracks', 'two_faces']

# Half axes of the ellipse of a portrait that is shown, and its feathered rim, in sides of the square.
_ELLIPSE, _RIM = (0.37, 0.5), 0.1
# A track is at a face when its centre is no farther away, in sides of the square.
_NEAR = 0.25


@dataclass(frozen=True)
class Actor:
    """A portrait and where it is.

    Attributes:
        name (str): Whom a track should follow.
        portrait (int): Index of the portrait.
        place (Callable[[int], FaceSquare | None]): Square of the face in the frame of a number; None: it is away.
        yaw (Callable[[int], float]): By how many degrees the head is turned aside, to the right as seen.
    """

    name: str
    portrait: int
    place: Callable[[int], FaceSquare | None]
    yaw: Callable[[int], float] = lambda _: 0.0


@dataclass(frozen=True)
class Scene:
    """Portraits before a background, the last in front.

    Attributes:
        name (str): What happens.
        length (int): Number of frames.
        actors (Sequence[Actor]): The portraits.
        cuts (Sequence[int]): Numbers of the first frames of later shots, each of which has another background.
        width (int): Of the frames, in pixels.
        height (int): Of the frames, in pixels.
    """

    name: str
    length: int
    actors: Sequence[Actor]
    cuts: Sequence[int] = field(default_factory=tuple)
    width: int = 320
    height: int = 180

    def frame(self, number: int) -> np.ndarray:
        """Render a frame (height, width, 3) uint8 RGB."""
        canvas = self._background(sum(cut <= number for cut in self.cuts))
        photos = _photos()
        for actor in self.actors:
            square = actor.place(number)
            if square is not None:
                yaw = math.radians(actor.yaw(number))
                # The head goes aside so that the face stays.
                head = replace(square, x=square.x - _ELLIPSE[0] * square.size * math.sin(yaw))
                _paste(canvas, photos[actor.portrait], head, yaw)
        return np.rint(canvas).astype(np.uint8)

    def truth(self, number: int) -> dict[str, tuple[FaceSquare, bool]]:
        """Faces of a frame by name: the square, and whether the whole face is in view, not hidden, not at the edge."""
        placed = [(actor.name, actor.place(number)) for actor in self.actors]
        shown = [(name, square) for name, square in placed if square is not None and self._touches(square)]
        truth = {}
        for index, (name, square) in enumerate(shown):
            hidden = any(_distance(square, front) < 0.7 for _, front in shown[index + 1 :])
            half = 0.3 * square.size
            inside = half <= square.x <= self.width - half and half <= square.y <= self.height - half
            truth[name] = (square, inside and not hidden)
        return truth

    def _touches(self, square: FaceSquare) -> bool:
        half = _ELLIPSE[0] * square.size
        return -half < square.x < self.width + half and -half < square.y < self.height + half

    def _background(self, shot: int) -> np.ndarray:
        y, x = np.mgrid[: self.height, : self.width] / self.height
        ground = np.stack([90 + 40 * x, 110 + 50 * y, 140 - 30 * x], axis=-1)
        ground = np.roll(ground, shot, axis=-1) * (1 - 0.4 * (shot % 2))
        return np.asarray(ground + 12 * np.sin(9 * x * (1 + shot))[..., np.newaxis])


def scenes() -> list[Scene]:
    """The scenes of the table: crossings, cuts, exits and entries, a crowd, nobody."""
    left_to_right = _moving(60, 90, 4, 0.3, 90)
    right_to_left = _moving(260, 92, -4, -0.2, 96)
    crossing = [Actor('collins', 0, left_to_right), Actor('hopper', 1, right_to_left)]
    sitting = _moving(160, 90, 0.3, 0.1, 110)
    crowd = [
        Actor(f'face {index}', index % 2, _moving(40 + 80 * (index % 4), 47 + 88 * (index // 4), 0.3, 0.1, 74))
        for index in range(8)
    ]
    return [
        Scene('two faces cross, one hides the other', 50, crossing),
        Scene(
            'two faces cross at different sizes',
            50,
            [Actor('hopper', 1, _moving(250, 80, -3.6, 0, 70)), Actor('collins', 0, _moving(70, 100, 3.6, 0, 110))],
        ),
        Scene('a cut to a faceless shot and back', 45, [Actor('hopper', 1, _away(sitting, 15, 30))], (15, 30)),
        Scene('a face leaves and enters', 90, [Actor('collins', 0, _leaving)]),
        Scene('a face tilts to both sides', 50, [Actor('collins', 0, _tilting)]),
        Scene('a face turns to half profile and back', 50, [Actor('hopper', 1, sitting, _turning)]),
        Scene('a crowd of eight', 12, crowd),
        Scene('nobody', 20, []),
    ]


def two_faces(length: int) -> Scene:
    """Both portraits in one frame, each moving about its place, as a whole video to restore."""
    actors = [Actor('collins', 0, _swaying(90, 95, 96, 0)), Actor('hopper', 1, _swaying(225, 90, 96, 2))]
    return Scene('two faces', length, actors)


@dataclass
class TrackScore:
    """What tracking made of a scene, against the truth.

    Attributes:
        visible (int): Faces wholly in view, summed over frames.
        found (int): Of these, those with a track.
        lost (int): Of these, those without.
        swapped (int): How many times a track went over to another face.
        invented (int): Frames of tracks where no face is, not even a hidden one.
        tracks (int): Number of tracks.
    """

    visible: int = 0
    found: int = 0
    lost: int = 0
    swapped: int = 0
    invented: int = 0
    tracks: int = 0


def score_tracks(scene: Scene, analysis: Analysis) -> TrackScore:
    """Compare the paths of an analysis with the truth of its scene."""
    score = TrackScore(tracks=len(analysis.tracks))
    followed: dict[int, str] = {}  # {number of a track: whom it follows}
    for number in range(scene.length):
        truth = scene.truth(number)
        covered = set()
        for track, paths in analysis.paths.items():
            centre = next((p.centres[number - p.first] for p in paths if p.first <= number <= p.last), None)
            if centre is None:
                continue
            place = FaceSquare(float(centre[0]), float(centre[1]), 1, 0)
            away, name = min(
                ((_distance(place, square), name) for name, (square, _) in truth.items()), default=(math.inf, '')
            )
            if away > _NEAR:
                score.invented += 1
                continue
            covered.add(name)
            if truth[name][1]:
                score.swapped += followed.get(track, name) != name
                followed[track] = name
        visible = {name for name, (_, whole) in truth.items() if whole}
        score.visible += len(visible)
        score.found += len(visible & covered)
        score.lost += len(visible - covered)
    return score


def _moving(x: float, y: float, speed_x: float, speed_y: float, size: float) -> Callable[[int], FaceSquare]:
    return lambda number: FaceSquare(x + speed_x * number, y + speed_y * number, size, 0)


def _swaying(x: float, y: float, size: float, phase: float) -> Callable[[int], FaceSquare]:
    return lambda number: FaceSquare(
        x + 18 * math.sin(number / 9 + phase),
        y + 8 * math.sin(number / 7 + phase),
        size * (1 + 0.05 * math.sin(number / 11)),
        4 * math.sin(number / 8 + phase),
    )


def _away(place: Callable[[int], FaceSquare], first: int, end: int) -> Callable[[int], FaceSquare | None]:
    return lambda number: None if first <= number < end else place(number)


def _leaving(number: int) -> FaceSquare:
    """To the right, out of the frame for a second, and back."""
    return FaceSquare(200 + 200 * math.sin(math.pi * number / 90), 90, 100, 0)


def _tilting(number: int) -> FaceSquare:
    return FaceSquare(160 + 40 * math.sin(number / 9), 95, 110, 30 * math.sin(number / 12))


def _turning(number: int) -> float:
    """To 60 degrees and back in two seconds."""
    return 60 * math.sin(math.pi * number / 50)


@functools.cache
def _photos() -> list[Portrait]:
    return portraits()


def _paste(canvas: np.ndarray, portrait: Portrait, square: FaceSquare, yaw: float) -> None:
    """Paste a portrait into a canvas (H, W, 3) float, so that its face has this square, then turn its head."""
    side = math.ceil(1.1 * square.size) + 2
    left, top = (math.floor(value - side / 2) for value in (square.x, square.y))
    own = face_square(portrait.landmarks)
    scale, turn = square.size / own.size, math.radians(square.angle - own.angle)
    linear = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    centre = np.array([square.x - left, square.y - top])
    matrix = np.column_stack([linear, centre - linear @ (own.x, own.y)])
    patch = sample_crop(portrait.photo.astype(np.float32), matrix, side)
    x, y = (np.arange(side) - centre[0]) / square.size, (np.arange(side) - centre[1]) / square.size
    patch = _turned(patch, x, yaw)
    alpha = np.clip((1 - np.hypot(x / _ELLIPSE[0], y[:, np.newaxis] / _ELLIPSE[1])) / _RIM, 0, 1)[..., np.newaxis]
    low_x, low_y = max(-left, 0), max(-top, 0)
    high_x, high_y = min(side, canvas.shape[1] - left), min(side, canvas.shape[0] - top)
    if low_x < high_x and low_y < high_y:
        part = canvas[top + low_y : top + high_y, left + low_x : left + high_x]
        alpha, patch = alpha[low_y:high_y, low_x:high_x], patch[low_y:high_y, low_x:high_x]
        part += alpha * (patch - part)


def _turned(patch: np.ndarray, x: np.ndarray, yaw: float) -> np.ndarray:
    """Turn a head aside, as if it were a cylinder that the portrait is painted on; ``x`` are places of columns."""
    round_ = np.clip(x / _ELLIPSE[0], -1, 1)
    seen = np.sin(np.clip(np.arcsin(round_) - yaw, -np.pi / 2, np.pi / 2)) * _ELLIPSE[0]
    columns = np.interp(seen, x, np.arange(len(x)))
    low = np.minimum(columns.astype(int), len(x) - 2)
    share = (columns - low)[:, np.newaxis]
    return np.asarray((1 - share) * patch[:, low] + share * patch[:, low + 1])


def _distance(one: FaceSquare, other: FaceSquare) -> float:
    return math.hypot(one.x - other.x, one.y - other.y) / max(one.size, other.size)
