from pgtf_basicsr.video import SeekableVideoWriter

from ..helpers.videos import moving_frames


def test_bytes_of_a_clip_do_not_depend_on_what_was_in_memory(tmp_path, fill_new_memory):
    frames = moving_frames(6, 160, 160)
    results = set()
    for value in (0, 1, 85, 255):
        fill_new_memory(value)
        writer = SeekableVideoWriter(tmp_path / f'{value}.mp4', 25, 18, 160, 160)
        for frame in frames:
            writer.write(frame)
        writer.close()
        results.add((tmp_path / f'{value}.mp4').read_bytes())
    assert len(results) == 1
