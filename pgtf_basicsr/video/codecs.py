"""What containers and encoders are told, one place for all that write or read videos."""

__all__ = ['CONTAINERS', 'CONVERSION', 'LIMITED', 'REPRODUCIBLE']

# Containers for H.264 at any frame rate.
CONTAINERS = {'.mp4': 'mp4', '.m4v': 'mp4', '.mov': 'mov', '.mkv': 'matroska'}

# FFmpeg's flags for bicubic chroma, chroma at full resolution on both sides, and exact rounding: with
# its defaults every pass from YCbCr to RGB and back darkens the picture by one level.
CONVERSION = 0x4 | 0x2000 | 0x4000 | 0x40000
LIMITED = 1
# x264 reads memory that was never written where there is AVX-512, and rounds otherwise from SSSE3 on: with these
# options, and one thread, the same frames give the same bytes.
REPRODUCIBLE = {'x264-params': 'asm=sse2'}
