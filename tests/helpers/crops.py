"""Restoration of frames as a whole, which needs no faces: what most tests of restoration restore is not one."""

from functools import partial

from pgtf_basicsr.restoration import whole_video

__all__ = ['CROP', 'restore_crop']

# Of the command.
CROP = ('--faces', 'crop')

restore_crop = partial(whole_video.restore_video, faces='crop')
