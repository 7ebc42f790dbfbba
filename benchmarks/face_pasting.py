"""Paste-back of faces: what is kept, and the time of a face.

    python benchmarks/face_pasting.py

A portrait at several sizes is degraded, by noise of 8 levels or by blur, noise and H.264, and restored by an ideal
network, which gives the crop as it would be of the frame before. Pasting its change is compared with pasting its
output. Printed is, within the face, the PSNR of an identity network's result to the frame, and that of the ideal one's
to the frame before. What is timed is a face in a frame of 1920 x 1080, 4:2:0.
"""

import argparse
import io
import statistics
import sys
import time
from functools import partial

import av
import cv2
import numpy as np

from pgtf_basicsr.faces.alignment import FFHQ_SIZE, align_to_template
from pgtf_basicsr.faces.colour_matching import match_colour
from pgtf_basicsr.faces.masks import ellipse_mask, parsing_mask
from pgtf_basicsr.faces.pasting import RestoredCrop, paste_faces
from pgtf_basicsr.faces.sampling import sample_crop
from pgtf_basicsr.faces.sharpness import FACE_WIDTH
from pgtf_basicsr.faces.transforms import compose, crop_scale, resize_matrix
from pgtf_basicsr.samples.portraits import portraits
from pgtf_basicsr.video.formats import VideoFormat
from pgtf_basicsr.video.layouts import plane_samples

# Planes that are RGB themselves, so that nothing but pasting is measured.
RGB = VideoFormat(depth=16, chroma='rgb')
LARGEST = 65535


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=15, help='of what is timed (default: %(default)s)')
    args = parser.parse_args()
    rng = np.random.default_rng(0)

    write('PSNR within the face, dB: pasting the change | pasting the output\n')
    write(f'{"face, pixels":>14}{"identity":>20}{"ideal, noise":>20}{"ideal, H.264":>20}\n')
    for shrinking in (0.5, 1, 1.5, 2, 4):
        frame, matrix, crop = scene(shrinking)
        noisy = (frame + rng.normal(0, 8 / 255, frame.shape).astype(np.float32)).clip(0, 1)
        row = [score(frame, frame, matrix, None)] + [
            score(frame, degraded, matrix, crop) for degraded in (noisy, compressed(noisy_and_blurred(frame, rng)))
        ]
        cells = ''.join(f'{f"{change:.1f} | {output:.1f}":>20}' for change, output in row)
        write(f'{FACE_WIDTH * FFHQ_SIZE / crop_scale(matrix):14.0f}{cells}\n')

    write('\nmilliseconds of a face, crops of 512 pixels\n')
    write(f'{"face, pixels":>14}{"bits":>6}{"crop":>8}{"ellipse":>9}{"parsed":>8}{"match":>8}{"paste":>8}\n')
    for face in (60, 150, 300):
        for depth in (8, 10):
            cells = [milliseconds(step, args.rounds) for step in steps(face, depth)]
            write(f'{face:14}{depth:6}' + ''.join(f'{cell:{width}.1f}' for cell, width in zip(cells, (8, 9, 8, 8, 8))))
            write('\n')


def scene(shrinking):
    """A frame (H, W, 3) with a face, its matrix, and the crop as it was before the frame was made smaller."""
    face = portraits()[1]
    photo = face.photo.astype(np.float32) / 255
    height, width = photo.shape[:2]
    # Not on whole pixels.
    landmarks = face.landmarks + 0.37
    size = round(width / shrinking) // 2 * 2, round(height / shrinking) // 2 * 2
    to_photo = resize_matrix(width / size[0], height / size[1])
    to_crop = align_to_template(landmarks, FFHQ_SIZE)
    frame = sample(photo, cv2.invertAffineTransform(to_photo), size)
    return frame, compose(to_crop, to_photo), sample(photo, to_crop, (FFHQ_SIZE, FFHQ_SIZE))


def sample(image, matrix, size):
    image = low_pass(image, matrix)
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT).clip(0, 1)


def low_pass(image, matrix):
    shrinking = 1 / crop_scale(matrix)
    return cv2.GaussianBlur(image, (0, 0), 0.5 * np.sqrt(shrinking**2 - 1)) if shrinking > 1 else image


def noisy_and_blurred(frame, rng):
    return (cv2.GaussianBlur(frame, (0, 0), 1) + rng.normal(0, 4 / 255, frame.shape).astype(np.float32)).clip(0, 1)


def compressed(frame):
    file = io.BytesIO()
    with av.open(file, 'w', 'mp4') as container:
        stream = container.add_stream('libx264', rate=25, options={'crf': '32'})
        stream.height, stream.width, stream.pix_fmt = *frame.shape[:2], 'yuv420p'
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.rint(frame * 255).astype(np.uint8), 'rgb24')))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        return next(container.decode(video=0)).to_ndarray(format='rgb24').astype(np.float32) / 255


def score(before, frame, matrix, restored):
    """PSNR to the frame before of pasting the change, and of pasting the output; None restores nothing."""
    crop = sample_crop(frame, matrix, FFHQ_SIZE)
    restored = crop if restored is None else restored
    mask = ellipse_mask(FFHQ_SIZE, crop_scale(matrix))
    nothing = np.zeros_like(crop)
    changed = pasted(frame, RestoredCrop(matrix, crop, restored, mask))
    # The output itself is a change from black.
    output = pasted(np.zeros_like(frame), RestoredCrop(matrix, nothing, restored, mask))
    inside = pasted(np.zeros_like(frame), RestoredCrop(matrix, nothing, nothing + 1, mask))[..., 0] == 1
    return [psnr((result - before)[inside]) for result in (changed, output)]


def pasted(frame, face):
    planes = [np.rint(frame[..., channel] * LARGEST).astype(np.uint16) for channel in (1, 2, 0)]
    paste_faces(planes, RGB, [face])
    green, blue, red = planes
    return np.stack([red, green, blue], axis=-1).astype(np.float32) / LARGEST


def psnr(error):
    # Frames are rounded to 16 bits; less than that is nothing.
    return -20 * np.log10(max(np.sqrt(np.mean(error**2)), 1e-5))


def steps(face, depth):
    """What is done for a face of this many pixels: sample its crop, make either mask, match colours, paste."""
    rng = np.random.default_rng(0)
    format = VideoFormat(depth=depth, chroma='420')
    frame = av.VideoFrame(1920, 1080, format.pixel_format)
    planes = [plane_samples(plane, depth).copy() for plane in frame.planes]
    image = rng.integers(0, 256, (1080, 1920, 3), dtype=np.uint8)
    scale = FFHQ_SIZE / (2 * face)
    matrix = np.array([[scale, 0, 255.5 - 960.3 * scale], [0, scale, 255.5 - 540.6 * scale]])
    crop, restored = rng.random((2, FFHQ_SIZE, FFHQ_SIZE, 3), dtype=np.float32)
    mask = ellipse_mask(FFHQ_SIZE, scale)
    return [
        partial(sample_crop, image, matrix, FFHQ_SIZE),
        partial(ellipse_mask, FFHQ_SIZE, scale),
        partial(parsing_mask, mask, scale),
        partial(match_colour, restored, crop, mask),
        partial(paste_faces, planes, format, [RestoredCrop(matrix, crop, restored, mask)]),
    ]


def milliseconds(step, rounds):
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def write(text):
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == '__main__':
    main()
