"""Networks over a stream of windows: what is computed once a frame, and what once a window for its output frames.

Neighbouring windows share frames. Layers before the first exchange between frames are run once for each frame, layers
after the last exchange for the output frames alone. The result has the bits of the network's own forward pass.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from ..blocks import Decoder, Encoder
from ..blocks.autoencoder import SwinLevel
from ..blocks.frames import join_frames, per_frame
from ..counterpart import Counterpart
from ..face_parsing_arch import joined
from ..pgtformer_arch import PGTFormer
from ..ts_vqgan_arch import TSVQGAN
from .arranged_regulator import regulate_frames
from .graphs import GraphedFunction
from .thread_pool import in_threads

__all__ = ['FrameFeatures', 'PGTFormerStream', 'TSVQGANStream', 'stream']

# A regulator of a level, called with the decoder's frames of that level, one after the other, and the output frames.
Fuse = Callable[[Iterator[Tensor], slice], list[Tensor]]


@dataclass
class FrameFeatures:
    """Features that depend on one frame alone.

    Attributes:
        encoded (Tensor): Input of the encoder's first level with Swin layers, (1, C, H', W').
        levels (dict[int, Tensor]): The encoder's features of finer levels that a regulator uses, (1, C, H', W').
        parsing (Tensor | None): Features of the face parsing network, (1, C, h, w), if the network has one.
        logits (Tensor | None): Of its main head, at that one's size, (1, num_classes, h', w'): masks of faces use them.
    """

    encoded: Tensor
    levels: dict[int, Tensor]
    parsing: Tensor | None = None
    logits: Tensor | None = None

    def tensors(self) -> list[Tensor]:
        """List all features, for :meth:`of`."""
        return [self.encoded, *self.levels.values(), *(x for x in (self.parsing, self.logits) if x is not None)]

    @classmethod
    def of(cls, tensors: Sequence[Tensor], levels: Sequence[int]) -> 'FrameFeatures':
        """Make features of what :meth:`tensors` lists, and the sizes of the levels among them."""
        encoded, *others = tensors
        return cls(encoded, dict(zip(levels, others)), *others[len(levels) :])


class TSVQGANStream:
    """Reconstruct windows of a stream.

    Args:
        net (TSVQGAN): In evaluation mode, plain or of :func:`~pgtf_basicsr.archs.inference.for_inference`.
    """

    def __init__(self, net: TSVQGAN) -> None:
        self.net = net

    @property
    def num_frames(self) -> int:
        """Frames T of a window."""
        return self.net.num_frames

    @property
    def frame_levels(self) -> list[int]:
        """Sizes of the levels in :attr:`FrameFeatures.levels`."""
        return []

    def frame_features(self, frame: Tensor) -> FrameFeatures:
        """Compute what depends on a frame alone; frames of several windows need it once.

        Args:
            frame (Tensor): (1, 3, H, W), RGB in [0, 1].

        Returns:
            FrameFeatures: For :meth:`restore`.

        Raises:
            ValueError: For a size the network was not built for.
        """
        self.net.requirements.check_frame(frame, type(self.net).__name__)
        return FrameFeatures(encode_frame(self.net.encoder, frame)[0], {})

    def restore(self, features: list[FrameFeatures], output_frames: slice = slice(None)) -> Tensor:
        """Do what is left of a forward pass, and of that what the output frames need.

        Args:
            features (list[FrameFeatures]): For B * T frames, those of a window next to each other. The list is
                emptied, so that nothing is held longer than it is needed.
            output_frames (slice): Which of the T frames to decode. Default: all.

        Returns:
            Tensor: (B, T', 3, H, W).
        """
        x = torch.cat([frame.encoded for frame in features])
        features.clear()
        latents = self.net.latents_of(encode_clips(self.net.encoder, x)[0])
        return self.decode(self.net.codebook(latents)[0], {}, output_frames)

    def decode(self, latents: Tensor, fuse: dict[int, Fuse], output_frames: slice) -> Tensor:
        """Decode output frames, (B, T', 3, H, W), of latents (B, T, h, w, D); ``fuse`` is emptied."""
        frames = decode_frames(self.net.decoder, self.net.decoder_input(latents), fuse, output_frames)
        return frames.unflatten(0, (len(latents), -1))


class PGTFormerStream(TSVQGANStream):
    """Restore windows of a stream.

    Args:
        net (PGTFormer): In evaluation mode, plain or of :func:`~pgtf_basicsr.archs.inference.for_inference`.
        fidelity (float): The paper's w. Default: 1.
    """

    def __init__(self, net: PGTFormer, fidelity: float = 1.0) -> None:
        super().__init__(net)
        self.net: PGTFormer = net
        self.fidelity = fidelity

    @property
    def frame_levels(self) -> list[int]:
        """Sizes of the levels in :attr:`FrameFeatures.levels`: those of per-frame layers that a regulator uses."""
        encoder = self.net.encoder
        return [size for size in encoder.sizes[: first_exchange(encoder)] if size in self.net.regulated_levels]

    def frame_features(self, frame: Tensor) -> FrameFeatures:
        """Compute what depends on a frame alone, face parsing included; see :class:`TSVQGANStream`."""
        self.net.requirements.check_frame(frame, type(self.net).__name__)
        encoded, levels = encode_frame(self.net.encoder, frame)
        levels = {size: levels[size] for size in self.frame_levels}
        if self.net.parsing_net is None:
            return FrameFeatures(encoded, levels)
        size = [side // self.net.requirements.multiple_of for side in frame.shape[2:]]
        heads = self.net.parsing_net.heads(frame)
        return FrameFeatures(encoded, levels, joined(heads, size), heads[0])

    def restore(self, features: list[FrameFeatures], output_frames: slice = slice(None)) -> Tensor:
        """Do what is left of a forward pass, and of that what the output frames need; see :class:`TSVQGANStream`."""
        net = self.net
        x, levels = encode_clips(net.encoder, torch.cat([frame.encoded for frame in features]))
        encoder_frames = {
            size: levels[size].split(1) if size in levels else [frame.levels[size] for frame in features]
            for size in net.regulated_levels
        }
        parsing = [frame.parsing for frame in features if frame.parsing is not None]
        features.clear()
        del levels
        latents = net.latents_of(x)
        codes = net.predictor(latents, torch.cat(parsing) if parsing else None).argmax(-1)
        del parsing
        fuse: dict[int, Fuse] = {
            size: partial(regulate_frames, net.regulator(size), encoder_frames.pop(size), fidelity=self.fidelity)
            for size in (net.regulated_levels if self.fidelity else [])
        }
        return self.decode(net.quantise(codes, latents), fuse, output_frames)


class GraphedStream(TSVQGANStream):
    """A stream on a GPU that replays its work on a frame, and on windows, as CUDA graphs.

    Args:
        stream (TSVQGANStream): Of a network of :func:`~pgtf_basicsr.archs.inference.for_inference`, whose weights do
            not change any more.
    """

    def __init__(self, stream: TSVQGANStream) -> None:
        super().__init__(stream.net)
        self.stream = stream
        # Not a method of this object: what holds graphs in a cycle would keep their memory until it is collected.
        self.on_frame = GraphedFunction(partial(frame_tensors, stream))
        self.on_windows: dict[tuple[object, ...], GraphedFunction] = {}

    def frame_features(self, frame: Tensor) -> FrameFeatures:
        """Compute what depends on a frame alone; see :class:`TSVQGANStream`."""
        return FrameFeatures.of([x.clone() for x in self.on_frame([frame])], self.stream.frame_levels)

    def restore(self, features: list[FrameFeatures], output_frames: slice = slice(None)) -> Tensor:
        """Do what is left of a forward pass, and of that what the output frames need; see :class:`TSVQGANStream`."""
        tensors = [x for frame in features for x in frame.tensors()]
        key = len(features), output_frames.start, output_frames.stop, output_frames.step
        if key not in self.on_windows:
            self.on_windows[key] = GraphedFunction(partial(restored_windows, self.stream, len(features), output_frames))
        features.clear()
        return self.on_windows[key](tensors)[0].clone()


def frame_tensors(stream: TSVQGANStream, frame: list[Tensor]) -> list[Tensor]:
    """Compute features of a frame, for :class:`GraphedFunction`."""
    return stream.frame_features(frame[0]).tensors()


def restored_windows(stream: TSVQGANStream, frames: int, output_frames: slice, tensors: list[Tensor]) -> list[Tensor]:
    """Restore windows from tensors of features of that many frames, for :class:`GraphedFunction`."""
    each = len(tensors) // frames
    features = [FrameFeatures.of(tensors[i : i + each], stream.frame_levels) for i in range(0, len(tensors), each)]
    return [stream.restore(features, output_frames)]


class ThreadedStream(TSVQGANStream):
    """A stream on a CPU whose layers share tiles of feature maps among threads.

    Args:
        stream (TSVQGANStream): Of a network of :func:`~pgtf_basicsr.archs.inference.for_inference`.
    """

    def __init__(self, stream: TSVQGANStream) -> None:
        super().__init__(stream.net)
        self.stream = stream

    def frame_features(self, frame: Tensor) -> FrameFeatures:
        """Compute what depends on a frame alone; see :class:`TSVQGANStream`."""
        return in_threads(partial(self.stream.frame_features, frame))

    def restore(self, features: list[FrameFeatures], output_frames: slice = slice(None)) -> Tensor:
        """Do what is left of a forward pass, and of that what the output frames need; see :class:`TSVQGANStream`."""
        return in_threads(partial(self.stream.restore, features, output_frames))


def stream(net: TSVQGAN, **options: float) -> TSVQGANStream:
    """Arrange a network for streams; on a GPU, one of :func:`~pgtf_basicsr.archs.inference.for_inference` with graphs.

    Args:
        net (TSVQGAN | PGTFormer): In evaluation mode.
        **options: ``fidelity`` of a PGTFormer.
    """
    plain = PGTFormerStream(net, **options) if isinstance(net, PGTFormer) else TSVQGANStream(net, **options)
    if not isinstance(net.encoder, Counterpart):
        return plain
    return GraphedStream(plain) if net.encoder.conv_in.weight.is_cuda else ThreadedStream(plain)


def encode_frame(encoder: Encoder, frame: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
    """Run the per-frame levels: those before the first one with Swin layers.

    Args:
        encoder (Encoder): Of the network.
        frame (Tensor): (1, 3, H, W).

    Returns:
        tuple: Their output (1, C, H', W') and {size of level: feature (1, C, H', W')}.
    """
    return run_levels(encoder, encoder.stem(frame), range(first_exchange(encoder)))


def encode_clips(encoder: Encoder, x: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
    """Run the other levels: outputs of :func:`encode_frame` for B * T frames to (B * T, C, h, w) and features."""
    x, features = run_levels(encoder, x, range(first_exchange(encoder), len(encoder.levels)))
    return encoder.tail(encoder.middle(x)), features


def run_levels(encoder: Encoder, x: Tensor, indices: Iterable[int]) -> tuple[Tensor, dict[int, Tensor]]:
    """Run some levels of the encoder, each with its downsampling."""
    features = {}
    for i in indices:
        x = features[encoder.sizes[i]] = encoder.levels[i](x)
        if i + 1 < len(encoder.levels):
            x = per_frame(encoder.levels[i].resample, x)
    return x, features


def first_exchange(encoder: Encoder) -> int:
    """Return the index of the first level in which frames see each other, or the number of levels."""
    return next((i for i, level in enumerate(encoder.levels) if isinstance(level, SwinLevel)), len(encoder.levels))


def decode_frames(decoder: Decoder, latents: Tensor, fuse: dict[int, Fuse], output_frames: slice) -> Tensor:
    """Decode some of the T frames of each clip.

    Args:
        decoder (Decoder): Of the network.
        latents (Tensor): (B * T, C, h, w).
        fuse (dict[int, Fuse]): By size of level, its regulator. It is emptied, so that nothing of the encoder is held
            longer than it is needed.
        output_frames (slice): Which of the T frames to decode.

    Returns:
        Tensor: (B * T', 3, H, W).
    """
    last = last_exchange(decoder, fuse)
    frames = list(decoder.middle(decoder.conv_in(latents)).split(1))
    for i in reversed(range(last, len(decoder.levels))):
        outputs, selected = level_frames(decoder, i, frames), output_frames if i == last else slice(None)
        if decoder.sizes[i] in fuse:
            frames = fuse.pop(decoder.sizes[i])(outputs, selected)
        else:
            chosen = range(decoder.num_frames)[selected]
            frames = [frame for j, frame in enumerate(outputs) if j % decoder.num_frames in chosen]
    layers = [layer for i in reversed(range(last)) for layer in frame_layers(decoder, i)]
    return join_frames(run_each([*layers, decoder.tail], frames), len(frames))


def last_exchange(decoder: Decoder, fuse: Iterable[int]) -> int:
    """Return the index of the finest level in which frames see each other; that of the coarsest where none do."""
    exchanging = [
        i for i, level in enumerate(decoder.levels) if isinstance(level, SwinLevel) or decoder.sizes[i] in fuse
    ]
    return min(exchanging, default=len(decoder.levels) - 1)


def level_frames(decoder: Decoder, i: int, frames: list[Tensor]) -> Iterator[Tensor]:
    """Yield frames of level i, (1, C, H, W), from a list of the level before's, which is emptied."""
    level = decoder.levels[i]
    if isinstance(level, SwinLevel):
        # In a list, so that the first layer's input is freed once it was read.
        clips = [join_frames(run_each(resampling(decoder, i), frames), len(frames))]
        for x in run_each(level.layers(), clips):
            yield from x.split(1)
    else:
        yield from run_each(frame_layers(decoder, i), frames)


def frame_layers(decoder: Decoder, i: int) -> list[Callable[[Tensor], Tensor]]:
    """List the layers from the output of the level before level i to its own, where it has no Swin layers."""
    return [*resampling(decoder, i), *decoder.levels[i].blocks]


def resampling(decoder: Decoder, i: int) -> list[nn.Module]:
    """List the layer from the output of the level before level i to the size of level i: none for the coarsest."""
    return [level.resample for level in decoder.levels[i + 1 : i + 2]]


def run_each(layers: Sequence[Callable[[Tensor], Tensor]], frames: list[Tensor]) -> Iterator[Tensor]:
    """Run layers in a row for each frame and yield the results; ``frames`` is emptied on the way."""
    while frames:
        x = frames.pop(0)
        for layer in layers:
            x = layer(x)
        yield x
        # Freed before the next one is computed.
        del x
