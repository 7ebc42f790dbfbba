"""Clips in the VFHQ layout frame by frame, for models that restore a frame from the frames around it."""

from typing import Any

import torch
from basicsr.data.data_util import generate_frame_indices
from basicsr.utils.registry import DATASET_REGISTRY

from ..errors import require
from .vfhq_dataset import VFHQDataset
from .vfhq_options import VFHQVideoTestOptions

__all__ = ['VFHQVideoTestDataset']


@DATASET_REGISTRY.register()
class VFHQVideoTestDataset(VFHQDataset):
    """Frames of :class:`VFHQDataset`'s clips for validation and test, as BasicSR's VideoTestDataset has them:

        lq       (num_frame, 3, h, w) float32 RGB in [0, 1], the window around the frame
        gt       (3, H, W), the frame undegraded
        folder   '<clip>'
        idx      '<place in the clip>/<frames of the clip>'
        border   1 where the window reaches over an end of the clip, else 0
        lq_path  file of the frame

    VideoBaseModel and EDVRModel take these; VideoRecurrentModel takes the whole clips of VFHQDataset itself. The
    frames of the clip that was asked for last are kept, so that a validation in order makes each clip once.

    Args:
        opt (dict): The options that `VFHQVideoTestOptions` describes, and ``phase``.

    Raises:
        UserError: As VFHQDataset; or it is for training, or a clip is shorter than ``padding`` asks for.
    """

    option_types = VFHQVideoTestOptions
    options: VFHQVideoTestOptions

    def __init__(self, opt: dict[str, Any]) -> None:
        super().__init__(opt)
        require(not self.is_train, f'{self._where}: its phase is train; VFHQDataset is the one to train on')
        shortest = 1 if self.options.padding == 'replicate' else self.options.num_frame
        for clip, length in self.clip_lengths().items():
            require(
                length >= shortest,
                f'{self._where}: clip {clip} has {length} frames; '
                f'padding {self.options.padding} needs num_frame, {shortest}: '
                'set padding to replicate',
            )
        self._frames = [(clip, place) for clip, idx in enumerate(self.clip_lengths().values()) for place in range(idx)]
        self._made: tuple[int, torch.Tensor, torch.Tensor] | None = None

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> dict[str, Any]:
        self._check_index(index)
        number, place = self._frames[index]
        lq, gt = self._clip(number)
        window = generate_frame_indices(place, len(lq), self.options.num_frame, self.options.padding)
        clip = self._open(self.clips[number])
        reach = self.options.num_frame // 2
        return {
            'lq': lq[window],
            'gt': gt[place],
            'folder': clip.name,
            'idx': f'{place}/{len(lq)}',
            'border': int(not reach <= place < len(lq) - reach),
            'lq_path': (clip.degraded or clip.stored).locate(clip.frames_at([place])[0]),
        }

    def _clip(self, number):
        """Return the frames of a clip, two tensors (L, 3, h, w) and (L, 3, H, W)."""
        if self._made is None or self._made[0] != number:
            draw, clip = self._draw_clip(number)
            lq, gt = zip(*self._iterate(draw, clip))
            self._made = number, torch.stack(lq), torch.stack(gt)
        return self._made[1:]
