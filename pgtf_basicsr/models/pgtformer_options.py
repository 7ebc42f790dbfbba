"""Options of PGTFormerModel."""

from collections.abc import Iterator
from typing import Any, Literal

from basicsr.utils.registry import ARCH_REGISTRY
from pydantic import Field

from ..config.metric_specification import specification_of
from ..config.mistakes import Keys
from ..config.registered_sections import Loss, Network, look_up, network_argument
from ..config.schema import value
from ..config.value_types import ExistingFile
from .building import is_used
from .video_face_options import VideoFaceOptions, VideoFacePath, VideoFaceTraining, VideoFaceValidation

__all__ = ['PGTFormerOptions']

OF_CODES = ('code_opt', 'feature_opt')
OF_PIXELS = ('pixel_opt', 'perceptual_opt', 'gan_opt', 'msrl_opt')


class PGTFormerPath(VideoFacePath):
    """``path`` of PGTFormerModel."""

    pretrain_network_vqgan: ExistingFile | None = Field(None, description='weights of the teacher, made by stage I')
    param_key_vqgan: str | None = Field(None, description='key of the weights in that file')
    pretrain_network_parsing: ExistingFile | None = Field(
        None, description='weights of the face parsing network, in the names of facexlib; ~: stage 2 trains it jointly'
    )
    param_key_parsing: str | None = Field(None, description='key of the weights in that file')


class PGTFormerTraining(VideoFaceTraining):
    """``train`` of PGTFormerModel."""

    stage: Literal[2, 3, 4] = Field(
        description='the stage: it sets what is frozen, and in stage 2 the decoder is not run'
    )
    code_opt: Loss | None = Field(None, description='loss of predicted codes')
    feature_opt: Loss | None = Field(None, description='loss of latents')
    msrl_opt: Loss | None = Field(None, description='multi-scale residual loss')


class PGTFormerValidation(VideoFaceValidation):
    """``val`` of PGTFormerModel."""

    fidelity: float = Field(
        1.0,
        ge=0,
        le=1,
        description="the paper's w: 0 draws on the codebook alone (highest quality), 1 stays closest to the input",
    )


class PGTFormerOptions(VideoFaceOptions):
    """An option file for PGTFormerModel: stages II to IV."""

    needed_of_network = 'load_autoencoder'
    has_code_metrics = True

    network_vqgan: Network | None = Field(
        None, description="stage I's autoencoder, the teacher; needed in training and for metrics of codes"
    )
    path: PGTFormerPath = Field(description='weights and states to start from')
    train: PGTFormerTraining | None = Field(None, description='how to train')
    val: PGTFormerValidation | None = Field(None, description='how to validate and test')

    @classmethod
    def contradictions(cls, options: dict[str, Any], is_train: bool) -> Iterator[tuple[Keys, str]]:
        yield from super().contradictions(options, is_train)
        train = options.get('train') or {}
        if train.get('stage') == 2:
            for name in OF_PIXELS:
                if train.get(name):
                    yield ('train', name), ': stage 2 does not run the decoder; take it out, or set train.stage to 3'
        yield from check_ablations(options, train)
        losses = OF_CODES if train.get('stage') == 2 else OF_CODES + OF_PIXELS
        if train and not any(is_used(train.get(name)) for name in losses):
            yield ('train',), f' has no loss; there are {", ".join(losses)}'
        if is_train or measures_codes(options):
            yield from check_teacher(options)


def check_ablations(options: dict[str, Any], train: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Refuse weights and losses of what network_g does not have."""
    network = options.get('network_g') or {}
    if network_argument(network, 'predictor_position') == 'learned' and value(
        options, 'path', 'pretrain_network_parsing'
    ):
        yield (
            ('path', 'pretrain_network_parsing'),
            ' names weights of the face parsing network, but network_g.predictor_position is learned: take it out',
        )
    frozen = train.get('frozen')
    decoder_is_frozen = frozen is None or {'from_latents', 'decoder'} <= set(frozen)
    levels = network_argument(network, 'tfr_levels')  # None of a network that cannot be built, which is reported
    if levels is None or levels or not decoder_is_frozen or train.get('stage') not in (3, 4):
        return
    for name in OF_PIXELS:
        if train.get(name):
            yield (
                ('train', name),
                ' trains nothing: network_g.tfr_levels is empty and the decoder is frozen; take it out',
            )


def measures_codes(options):
    """Whether a metric needs the teacher's codes."""
    metrics = value(options, 'val', 'metrics') or {}
    return any(specification_of(section).compares == 'codes' for section in metrics.values())


def check_teacher(options: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Compare the teacher, a stage I autoencoder, with network_g: they must have the same frames and codes."""
    section = options.get('network_vqgan') or {}
    if not section:
        yield ('network_vqgan',), ' is missing: training and metrics of codes take the codes of stage I from it'
    if value(options, 'path', 'pretrain_network_vqgan') is None:
        yield ('path', 'pretrain_network_vqgan'), ' is missing: name the weights that stage I made'
    network = look_up(ARCH_REGISTRY, section.get('type', ''))
    if network is None:
        return
    if not hasattr(network, 'encode_codes'):
        yield ('network_vqgan', 'type'), f' is {section["type"]}, which gives no codes; TSVQGAN does'
        return
    for name in ('num_frames', 'swin3d', 'multipliers', 'codebook_size', 'codebook_dim'):
        own = network_argument(options.get('network_g') or {}, name)
        taught = network_argument(section, name)
        if own is not None and taught is not None and own != taught and list_of(own) != list_of(taught):
            yield ('network_vqgan', name), f' is {taught}, but network_g.{name} is {own}: make them equal'


def list_of(item: Any) -> Any:
    """Turn a tuple, as defaults are, into the list that a file has in its place."""
    return list(item) if isinstance(item, tuple) else item
