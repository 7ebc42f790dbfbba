"""What FFmpeg is told by all that reads or writes videos: file formats, colour conversion, encoder options."""

__all__ = [
    'CONTAINERS',
    'FULL_RANGE',
    'LIMITED_RANGE',
    'REPRODUCIBLE',
    'SWSCALE_FLAGS',
    'VIDEO_SUFFIXES',
    'is_video_file',
]

# Suffixes by which videos are found in folders. A video that is named is read whatever its suffix.
VIDEO_SUFFIXES = ('.mp4', '.m4v', '.mov', '.mkv', '.webm', '.avi')
# Containers to write, which hold H.264 at any frame rate.
CONTAINERS = {'.mp4': 'mp4', '.m4v': 'mp4', '.mov': 'mov', '.mkv': 'matroska'}
# Bicubic chroma, chroma at full resolution on both sides, and exact rounding: with swscale's defaults every
# conversion from YCbCr to RGB and back darkens a frame by one level.
SWSCALE_FLAGS = 0x4 | 0x2000 | 0x4000 | 0x40000
# FFmpeg's codes of the ranges 16 to 235 and 0 to 255.
LIMITED_RANGE, FULL_RANGE = 1, 2
# x264 reads memory that was never written where there is AVX-512, and rounds in another way from SSSE3 on. With these
# options and one thread, the same frames give the same bytes.
REPRODUCIBLE = {'x264-params': 'asm=sse2'}


def is_video_file(name: str) -> bool:
    """Whether a file's name is that of a video: one of the known suffixes, and not hidden."""
    return name.lower().endswith(VIDEO_SUFFIXES) and not name.startswith('.')
