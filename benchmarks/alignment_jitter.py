"""Alignment as a source of temporal jitter: errors of landmarks, with and without alignment by them.

    python benchmarks/alignment_jitter.py CLIPS [--frames 32] [--noise 2] [--seeds 3]

CLIPS is a folder of videos, or of folders of frames. Networks restore a face frame by frame in crops that are placed
in four ways:

    each frame      a similarity transform to the FFHQ template by the landmarks of that frame (published)
    smoothed        the same by landmarks that are smoothed over the shot
    tracked         the crops of `basicsr restore`: upright, along a smoothed path, no template
    fixed           one crop for the whole clip, upright, at the face's mean place, as PGTFormer takes clips

Landmarks are CenterFace's, as they are and with Gaussian noise, whose standard deviation is given in pixels of a
512-pixel frame, as TLME is. Restored clips are compared with the clips themselves.

Two networks take part. Neither is trained: they show a mechanism, not a quality. What both have in common with
restorers of aligned faces is that what they invent depends on where the face lies in the crop. Of both, half is the
crop itself.

    mean face       a prior at its simplest: the mean of two aligned portraits, with the crop's mean and contrast. It
                    knows where eyes are in a crop, as constants and position codes of trained networks do.
    codebook        vector quantisation at its simplest: each block of 16 x 16 pixels of a fixed grid becomes the
                    nearest of 1024 blocks, drawn with a seed from the same portraits, with its own mean and contrast.

They cannot show what a network learns to make of neighbouring frames.
"""

import argparse
import sys
from dataclasses import replace
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F

from pgtf_basicsr.evaluation.clip_sources import find_clips
from pgtf_basicsr.evaluation.markdown import markdown_grid
from pgtf_basicsr.faces.alignment import FFHQ_SIZE, align_face
from pgtf_basicsr.faces.crop_paths import crop_paths
from pgtf_basicsr.faces.detection import CenterFaceDetector
from pgtf_basicsr.faces.landmarks import CenterFaceLandmarks
from pgtf_basicsr.faces.squares import face_square
from pgtf_basicsr.images import to_image, to_tensor
from pgtf_basicsr.methods.aligned import AlignedPipeline
from pgtf_basicsr.methods.face_warping import align_crop, paste_square
from pgtf_basicsr.methods.method import Method, MethodNeeds
from pgtf_basicsr.metrics import Flicker, LandmarkJitter, LandmarkMotionError
from pgtf_basicsr.samples.portraits import portraits

# Longest gap in frames that tracked crops bridge.
MAX_FILL = 8
MEASURES = ('TLME', 'flicker', 'jitter')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('clips', help='folder of clips with a face')
    parser.add_argument('--frames', type=int, default=32, help='of each clip (default: %(default)s)')
    parser.add_argument('--noise', type=float, default=2, help='pixels of a 512-pixel frame (default: %(default)s)')
    parser.add_argument('--seeds', type=int, default=3, help='draws of noise (default: %(default)s)')
    args = parser.parse_args()
    networks = [MeanFace(), BlockCodebook()]
    clips, tables = find_clips(args.clips, 'clips'), []
    for name, clip in clips.items():
        frames = list(islice(clip, args.frames))
        # The largest face alone: the one that is measured.
        detector = CenterFaceDetector()
        faces = [detector.detect(frame)[:1] for frame in frames]
        tables.append([measure(frames, faces, network, args) for network in networks])
        for network, table in zip(networks, tables[-1]):
            title = f'{network.title}: {name}, {len(frames)} frames of {clip.width}x{clip.height}'
            write_table(title, table, args.noise)
    for network, table in zip(networks, np.mean(tables, axis=0)):
        write_table(f'{network.title}: mean of {len(clips)} clips', table, args.noise)


class HalfInput(Method):
    """A network of the table, see above. Half of what it yields is the crop it gets."""

    needs = MethodNeeds(is_aligned=True, size=FFHQ_SIZE)

    def __init__(self):
        faces = [to_tensor(align_face(portrait.photo, portrait.landmarks)[0]) for portrait in portraits()]
        self.remember(torch.stack(faces))

    @torch.no_grad()
    def restore(self, frames):
        for frame in frames:
            yield (frame + self.invent(frame).clamp(0, 1)) / 2


class MeanFace(HalfInput):
    title = 'Mean face'

    def remember(self, faces):
        self._face, _, _ = normalised(faces.mean(0).flatten()[None])

    def invent(self, frame):
        _, mean, contrast = normalised(frame.flatten()[None])
        return (self._face.unflatten(1, (3, -1)) * contrast + mean).view_as(frame)


class BlockCodebook(HalfInput):
    title = 'Codebook'
    codes, side = 1024, 16

    def remember(self, faces):
        # Blocks at many places, not those of the grid alone.
        blocks = F.unfold(faces, self.side, stride=self.side // 4).movedim(1, 2).flatten(0, 1)
        chosen = torch.randperm(len(blocks), generator=torch.Generator().manual_seed(0))[: self.codes]
        self._codes, _, _ = normalised(blocks[chosen])

    def invent(self, frame):
        blocks, mean, contrast = normalised(F.unfold(frame[None], self.side, stride=self.side)[0].T)
        nearest = self._codes[torch.cdist(blocks, self._codes).argmin(1)]
        restored = nearest.unflatten(1, (3, -1)) * contrast + mean
        return F.fold(restored.flatten(1).T[None], frame.shape[1:], self.side, stride=self.side)[0]


def normalised(images):
    """Images (N, 3 * pixels) with mean 0 in each channel and contrast 1, and both, as (N, 3, 1) and (N, 1, 1)."""
    channels = images.unflatten(1, (3, -1))
    mean = channels.mean(2, keepdim=True)
    contrast = (channels - mean).square().mean((1, 2), keepdim=True).sqrt() + 1e-3
    return ((channels - mean) / contrast).flatten(1), mean, contrast


class KnownFaces:
    """A detector that finds in each frame what it is told, frame after frame."""

    min_score = 0.0

    def __init__(self, faces):
        self._faces = iter(faces)

    def detect(self, frame):
        return next(self._faces)


def each_frame(frames, faces, network):
    return AlignedPipeline(network, KnownFaces(faces)).restore(frames)


def smoothed(frames, faces, network):
    return AlignedPipeline(network, KnownFaces(faces), smoothing='shot').restore(frames)


def tracked(frames, faces, network):
    squares = {number: face_square(found[0].landmarks) for number, found in enumerate(faces) if found}
    matrices = {}
    for path in crop_paths(squares, min(squares), max(squares), MAX_FILL):
        matrices |= {number: path.matrix(number, FFHQ_SIZE) for number in range(path.first, path.last + 1)}
    return in_crops(frames, matrices, network)


def fixed(frames, faces, network):
    mean = face_square(np.mean([found[0].landmarks for found in faces if found], axis=0))
    upright = replace(mean, angle=0)
    matrix = crop_paths({0: upright}, 0, 0, MAX_FILL)[0].matrix(0, FFHQ_SIZE)
    return in_crops(frames, dict.fromkeys(range(len(frames)), matrix), network)


def in_crops(frames, matrices, network):
    """Restore and paste as the pipeline does, in crops that are given."""
    for number, frame in enumerate(frames):
        image = frame.movedim(0, -1).numpy().copy()
        if number in matrices:
            crop = torch.from_numpy(align_crop(image, matrices[number], FFHQ_SIZE)).movedim(-1, 0)
            (restored,) = network.restore([crop])
            paste_square(image, restored.movedim(0, -1).contiguous().numpy(), matrices[number])
        yield torch.from_numpy(image).movedim(-1, 0)


PLACEMENTS = {
    'each frame aligned': each_frame,
    'aligned, landmarks smoothed': smoothed,
    'tracked crops': tracked,
    'one fixed crop': fixed,
}


def measure(frames, faces, network, args):
    """Scores of a clip, (placements, measures, 2): without noise, and with noise on average over its draws."""
    deviation = args.noise / FFHQ_SIZE * min(frames[0].shape[:2])
    draws = [moved(faces, deviation, np.random.default_rng(seed)) for seed in range(args.seeds)]
    tensors = [to_tensor(frame) for frame in frames]
    scores = []
    for place in PLACEMENTS.values():
        quiet, *noisy = (score(frames, place(tensors, found, network)) for found in (faces, *draws))
        scores.append(np.stack([quiet, np.mean(noisy, axis=0)], axis=-1))
    return np.stack(scores)


def moved(faces, deviation, rng):
    """Faces with Gaussian noise on their landmarks."""
    return [
        [replace(face, landmarks=face.landmarks + rng.normal(0, deviation, (5, 2))) for face in found]
        for found in faces
    ]


def score(frames, restored):
    """The measures of a restored clip, with the clip itself for ground truth."""
    backend = CenterFaceLandmarks()
    motion, flicker, jitter = LandmarkMotionError(backend), Flicker(), LandmarkJitter(backend)
    for frame, image in zip(frames, map(to_image, restored)):
        motion.update(image, frame)
        flicker.update(image, frame)
        jitter.update(image)
    return [motion.compute(), flicker.compute(), jitter.compute()]


def write_table(title, scores, noise):
    heading = [cell for measure in MEASURES for cell in (measure, f'{noise:g} px')]
    rows = [[name, *(f'{value:.2f}' for value in values.ravel())] for name, values in zip(PLACEMENTS, scores)]
    sys.stdout.write(f'{title}\n\n{markdown_grid([["crops", *heading], *rows])}\n')
    sys.stdout.flush()


if __name__ == '__main__':
    main()
