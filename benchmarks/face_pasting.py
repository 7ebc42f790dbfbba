"""Paste-back of faces: what is kept, beside pasting the network's output itself, and time per face.

    python benchmarks/face_pasting.py

The network is an ideal one: it gives the crop as it was before the frame was degraded. Printed is the PSNR within the
face of an identity network's result to the frame and of the ideal one's to the frame before, and the share of the frame's
error that is left. Faces are a portrait at several sizes; what is timed is a frame of 1920 x 1080 in 4:2:0.
"""

import argparse
import io
import statistics
import sys
import time

import av
import cv2
import numpy as np

from pgtf_basicsr.faces.colour_matching import match_colour
from pgtf_basicsr.faces.masks import ellipse_mask, parsing_mask
from pgtf_basicsr.faces.pasting import RestoredCrop, paste_faces
from pgtf_basicsr.faces.squares import face_square
from pgtf_basicsr.faces.transforms import compose, crop_scale, resize_matrix
from pgtf_basicsr.samples.portraits import portraits
from pgtf_basicsr.video.formats import VideoFormat
