"""Side data of kinds that PyAV does not know, such as the EXIF of cameras, and what stands beside it."""

import struct
import zlib
from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import pytest
from PIL import Image, ImageOps

from pgtf_basicsr.video import VideoReader
from pgtf_basicsr.video.formats import ContentLight
from pgtf_basicsr.video.seeking import read_frames

from ..helpers.videos import moving_frames, psnr

MAKE, ORIENTATION = 0x010F, 0x0112
COUNT = 3


def with_exif(image, kind, orientation):
    """Encode an image as PIL does, with EXIF of a camera."""
    exif, file = Image.Exif(), BytesIO()
    exif[MAKE], exif[ORIENTATION] = 'A camera', orientation
    Image.fromarray(image).save(file, kind, exif=exif, quality=95)
    return file.getvalue()


def write_packets(path, codec, pixel_format, packets):
    """Write images that are encoded already as a video."""
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, pixel_format
        if codec == 'mjpeg':
            stream.codec_context.color_range = 2
        for number, data in enumerate(packets):
            packet = av.Packet(data)
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = number
            packet.is_keyframe = True
            container.mux(packet)
    return path


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('suffix', ['avi', 'mov'])
def test_jpeg_with_exif_is_read_upright(tmp_path, suffix, orientation):
    packets = [with_exif(image, 'JPEG', orientation) for image in moving_frames(COUNT, 48, 32)]
    path = write_packets(tmp_path / f'v.{suffix}', 'mjpeg', 'yuvj420p', packets)
    upright = [np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(data)))) for data in packets]
    with VideoReader(path) as reader:
        assert (reader.height, reader.width) == upright[0].shape[:2]
        images = list(reader.images())
    images += read_frames(str(path), range(COUNT), 'v')
    assert min(psnr(a, b) for a, b in zip(images, upright * 2, strict=True)) > 30


def test_light_levels_beside_exif_are_read(tmp_path):
    data = with_exif(moving_frames(1, 48, 32)[0], 'PNG', 1)
    header_end = 8 + 12 + 13  # signature and IHDR
    light = b'cLLI' + struct.pack('>II', 1000 * 10000, 400 * 10000)
    chunk = struct.pack('>I', 8) + light + struct.pack('>I', zlib.crc32(light))
    packets = [data[:header_end] + chunk + data[header_end:]] * COUNT
    with VideoReader(write_packets(tmp_path / 'v.mov', 'png', 'rgb24', packets)) as reader:
        assert reader.format.content_light == ContentLight(1000, 400)
        assert len(list(reader)) == COUNT
