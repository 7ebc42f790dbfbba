"""PGTFormer: restores degraded clips of faces (Xu et al., Beyond Alignment, IJCAI 2024)."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, cast

from basicsr.utils.registry import ARCH_REGISTRY
from einops import rearrange
from torch import Tensor, nn

from ..argument_types import Count
from .blocks import (
    CodePredictor,
    FidelityRegulator,
    LearnedPosition,
    SpatialFidelityRegulator,
    TemporalFidelityRegulator,
    adain,
)
from .blocks.frames import per_frame
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
        predictor_position (str): Position code of the predictor: ``parsing``, or ``learned`` (Tables 4 and 6 of the
            paper), a vector for each token; the network has no face parsing then.
        predictor_attention (str): Attention of the predictor: ``space-time``, or ``spatial`` (the same tables), in
            each frame by itself.
        tfr_temporal (bool): Give regulators the temporal feature, in which frames are mixed. Without, they are
            spatial-only (Table 5); no regulators at all are ``tfr_levels: []``.
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
        predictor_position: Literal['parsing', 'learned'] = 'parsing',
        predictor_attention: Literal['space-time', 'spatial'] = 'space-time',
        tfr_temporal: bool = True,
        **autoencoder: Any,
    ) -> None:
        super().__init__(**autoencoder)
        unknown = set(tfr_levels) - set(self.level_channels)
        if unknown:
            raise ValueError(f'tfr_levels {sorted(unknown)} are none of the levels {list(self.level_channels)}')
        self.adain = adain
        learned = predictor_position == 'learned'
        self.parsing_net = None if learned else FaceParsingNet(num_classes)
        self.predictor = CodePredictor(
            self.codebook.weight.shape[1],
            3 * num_classes,
            self.codebook.weight.shape[0],
            width=predictor_width,
            num_layers=predictor_layers,
            num_heads=predictor_heads,
            mlp_width=predictor_mlp,
            attention=predictor_attention,
            position=LearnedPosition(
                predictor_width,
                # With attention in each frame by itself a frame's place in the clip says nothing.
                self.num_frames if predictor_attention == 'space-time' else 1,
                self.image_size // self.stride,
            )
            if learned
            else None,
        )
        make_regulator = (
            partial(TemporalFidelityRegulator, temporal_channels=tfr_channels)
            if tfr_temporal
            else SpatialFidelityRegulator
        )
        self.regulators = nn.ModuleDict(
            {str(size): make_regulator(self.level_channels[size], self.num_frames) for size in tfr_levels}
        )

    def forward(  # type: ignore[override]
        self, lq: Tensor, fidelity: float = 1.0, code_only: bool = False, return_codes: bool = False
    ) -> Tensor | tuple[Tensor, ...]:
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
        # Constants, so that the loss of pixels trains the regulators alone; features of other levels are freed here.
        features = {size: features[size].detach() for size in self.regulated_levels}
        logits = self.predictor(latents, self.parsing_features(lq, latents.shape[2:4]))
        if code_only:
            return logits, latents
        out = self.restore(logits.argmax(-1), latents, features, fidelity)
        return (out, logits, latents) if return_codes else out

    def parsing_features(self, frames: Tensor, size: Sequence[int]) -> Tensor | None:
        """Parse the face in each frame, at the size of the latents; (B, T, 3, H, W) -> (B * T, C, *size).

        It is None where the position code is learned.
        """
        if self.parsing_net is None:
            return None
        return per_frame(partial(self.parsing_net.features, size=size), frames.flatten(0, 1))

    def restore(self, codes: Tensor, latents: Tensor, features: Mapping[int, Tensor], fidelity: float) -> Tensor:
        """Decode codes, corrected by the low-quality latents and features.

        Codes and latents enter as constants: the backward pass of pixels ends at the coarsest regulator.

        Args:
            codes (Tensor): (B, T, h, w), int64.
            latents (Tensor): (B, T, h, w, D).
            features (Mapping[int, Tensor]): The encoder's features of the levels with regulators.
            fidelity (float): The paper's w.

        Returns:
            Tensor: (B, T, 3, H, W).
        """
        quantised = self.quantise(codes, latents)
        if not fidelity:
            return self.decode(quantised)
        return self.decode(
            quantised,
            {size: partial(self.regulator(size), features[size], fidelity=fidelity) for size in self.regulated_levels},
        )

    def quantise(self, codes: Tensor, latents: Tensor) -> Tensor:
        """Look codes (B, T, h, w) up, with the statistics of latents (B, T, h, w, D) where ``adain`` is on."""
        quantised = self.codebook.lookup(codes).detach()
        if not self.adain:
            return quantised
        content, style = (
            rearrange(x, 'b t h w d -> (b t) d h w') for x in (quantised, latents.detach().to(quantised.dtype))
        )
        return rearrange(adain(content, style), '(b t) d h w -> b t h w d', t=self.num_frames)

    @property
    def regulated_levels(self) -> list[int]:
        """Sizes of the levels with a fidelity regulator."""
        return [int(size) for size in self.regulators]

    def regulator(self, size: int) -> FidelityRegulator:
        """Return the fidelity regulator of the level of this size."""
        return cast(FidelityRegulator, self.regulators[str(size)])

    def last_layer(self) -> Tensor:
        """Return the weight of the last trained layer: the decoder's, or with that frozen the finest regulator's."""
        weight = super().last_layer()
        if weight.requires_grad or not self.regulators:
            return weight
        return self.regulator(max(self.regulated_levels)).shift[-1].get_parameter('weight')

    def load_autoencoder(self, state: Mapping[str, Tensor]) -> None:
        """Start from a trained TS-VQGAN: its encoder, codebook and decoder.

        Args:
            state (Mapping[str, Tensor]): State dict of a :class:`TSVQGAN` of the same size.
        """
        own = self.state_dict()
        own.update(self.own_state_dict(state))
        self.load_state_dict(own)
