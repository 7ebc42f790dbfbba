"""PGTFormer: restores degraded clips of faces (Xu et al., Beyond Alignment, IJCAI 2024)."""

from collections.abc import Sequence
from functools import partial

import torch
from basicsr.utils.registry import ARCH_REGISTRY
from einops import rearrange
from torch import nn

from ..argument_types import Count
from .blocks import CodePredictor, TemporalFidelityRegulator, adain
from .blocks.checkpointing import run
from .blocks.frames import frame_by_frame
from .face_parsing_arch import FaceParsingNet
from .ts_vqgan_arch import TSVQGAN

__all__ = ['PGTFormer']


@ARCH_REGISTRY.register()
class PGTFormer(TSVQGAN):
    """Parsing-guided temporal-coherent transformer. The defaults are the paper's network.

    It is a TS-VQGAN whose encoder reads low-quality frames, whose codes are predicted from
    latents and face parsing of all frames (TPCP), and whose decoder is corrected by the
    encoder's features (TFR).

    Args:
        predictor_width (int): Channels of the code predictor.
        predictor_layers (int): Its transformer layers.
        predictor_heads (int): Its attention heads.
        predictor_mlp (int): Channels of its MLPs.
        tfr_levels (tuple[int]): Decoder levels with a temporal fidelity regulator.
        tfr_channels (int): Channels a frame has in a regulator's temporal feature.
        adain (bool): Give decoded codes the statistics of the low-quality latents.
        num_classes (int): Classes of the face parsing network.
        **autoencoder: Arguments of :class:`TSVQGAN`.
    """

    def __init__(
        self,
        predictor_width: Count = 512,
        predictor_layers: Count = 9,
        predictor_heads: Count = 8,
        predictor_mlp: Count = 1024,
        tfr_levels: Sequence[Count] = (32, 64, 128, 256),
        tfr_channels: Count = 32,
        adain: bool = True,
        num_classes: Count = 19,
        **autoencoder,
    ):
        super().__init__(**autoencoder)
        unknown = set(tfr_levels) - set(self.level_channels)
        if unknown:
            raise ValueError(f'tfr_levels {sorted(unknown)} are none of the levels {list(self.level_channels)}')
        self.adain = adain
        self.parsing_net = FaceParsingNet(num_classes)
        self.predictor = CodePredictor(
            self.codebook.weight.shape[1],
            3 * num_classes,
            self.codebook.weight.shape[0],
            width=predictor_width,
            num_layers=predictor_layers,
            num_heads=predictor_heads,
            mlp_width=predictor_mlp,
        )
        self.regulators = nn.ModuleDict(
            {
                str(size): TemporalFidelityRegulator(self.level_channels[size], self.num_frames, tfr_channels)
                for size in tfr_levels
            }
        )

    def forward(self, lq, fidelity=1.0, code_only=False, return_codes=False):
        """Restore a clip.

        Args:
            lq (Tensor): (B, T, 3, H, W), RGB in [0, 1].
            fidelity (float): The paper's w: 0 uses the codebook alone, 1 all of the input.
            code_only (bool): Stop at the codes; the decoder is not run. Default: False.
            return_codes (bool): Return logits and latents with the frames. Default: False.

        Returns:
            The restored clip (B, T, 3, H, W); with ``return_codes`` that and logits
            (B, T, h, w, N) and latents (B, T, h, w, D); with ``code_only`` these two alone.

        Raises:
            ValueError: For a shape the network was not built for.
        """
        latents, features = self.encode(lq)
        features = {size: feature.detach() for size, feature in features.items()}
        logits = self.predictor(latents, self.parsing_features(lq, latents.shape[2:4]))
        if code_only:
            return logits, latents
        out = self.restore(logits.argmax(-1), latents, features, fidelity)
        return (out, logits, latents) if return_codes else out

    def parsing_features(self, frames, size):
        """Face parsing of each frame at the size of the latents; (B, T, 3, H, W) -> (B * T, C, *size)."""
        return frame_by_frame(partial(self.parsing_net.features, size=size), frames.flatten(0, 1))

    def frame_features(self, frame):
        self.check_frame(frame)
        x, levels = self.encoder.frame_levels(frame)
        size = [side // self.stride for side in frame.shape[2:]]
        return {
            'encoder': x,
            'parsing': self.parsing_net.features(frame, size),
            'levels': {size: feature for size, feature in levels.items() if str(size) in self.regulators},
        }

    def restore_features(self, features, wanted=slice(None), fidelity=1.0):
        x, levels = self.encoder.clip_levels(torch.cat([frame['encoder'] for frame in features]))
        for size in features[0]['levels']:
            levels[size] = [frame['levels'][size] for frame in features]
        latents = self.fold_latents(x)
        codes = self.predictor(latents, torch.cat([frame['parsing'] for frame in features])).argmax(-1)
        features.clear()
        return self.restore(codes, latents, levels, fidelity, wanted)

    def restore(self, codes, latents, features, fidelity, wanted=slice(None)):
        """Decode codes, corrected by the low-quality latents and features.

        Codes, latents and features enter as constants: pixels teach the regulators alone, and
        the backward pass ends at the coarsest of them. Features are taken out of their dict one
        after the other, so that none is held longer than it is needed.
        """
        quantised = self.codebook.lookup(codes).detach()
        if self.adain:
            content, style = (
                rearrange(x, 'b t h w d -> (b t) d h w') for x in (quantised, latents.detach().to(quantised.dtype))
            )
            quantised = rearrange(adain(content, style), '(b t) d h w -> b t h w d', t=self.num_frames)

        def fusion(size):
            return lambda feature, wanted: run(
                self.decoder.activation_checkpointing,
                self.regulators[size],
                features.pop(int(size)),
                feature,
                fidelity,
                wanted,
            )

        fuse = {int(size): fusion(size) for size in self.regulators} if fidelity else {}
        return self.decode(quantised, fuse, wanted)

    def set_activation_checkpointing(self, enabled):
        super().set_activation_checkpointing(enabled)
        self.predictor.activation_checkpointing = enabled

    def last_layer(self):
        """Weight of the last layer that is trained: the decoder's, or with that frozen the finest regulator's."""
        weight = super().last_layer()
        if weight.requires_grad or not self.regulators:
            return weight
        return self.regulators[max(self.regulators, key=int)].shift[-1].weight

    def load_autoencoder(self, state):
        """Start from a trained TS-VQGAN: its encoder, codebook and decoder.

        Args:
            state (dict[str, Tensor]): State dict of a :class:`TSVQGAN` of the same size.
        """
        own = self.state_dict()
        own.update(self.own_state_dict(state))
        self.load_state_dict(own)
