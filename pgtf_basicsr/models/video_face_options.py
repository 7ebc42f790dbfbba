"""Options of the models of videos."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from basicsr.utils.registry import DATASET_REGISTRY, LOSS_REGISTRY
from pydantic import Field

from ..archs.input_requirements import InputRequirements
from ..config.loss_signatures import returns_pair
from ..config.mistakes import Keys
from ..config.registered_sections import Loss, Network, Optimizer, description_of, look_up, network_argument
from ..config.schema import DataSetOptions, ValOptions, value
from ..config.value_types import ExistingFile
from .building import is_used
from .trainable_options import TrainableOptions, TrainablePath, TrainableTraining

__all__ = ['VideoFaceOptions', 'VideoFacePath', 'VideoFaceTraining', 'VideoFaceValidation']


class VideoFacePath(TrainablePath):
    """``path`` of models of videos."""

    pretrain_network_d: ExistingFile | None = Field(None, description='weights that network_d starts from')
    param_key_d: str | None = Field(None, description='as param_key_g, for network_d')
    strict_load_d: Literal[True] = Field(True, description='as strict_load_g, for network_d')


class VideoFaceTraining(TrainableTraining):
    """``train`` of models of videos."""

    activation_checkpointing: bool = Field(False, description='compute activations twice to save memory')
    fused_kernels: bool = Field(
        False, description='GroupNorm and SiLU of network_g by Triton kernels, channels-last; needs a GPU and Triton'
    )
    optim_d: Optimizer | None = Field(None, description='optimizer of network_d; needed with gan_opt')
    pixel_opt: Loss | None = Field(None, description='pixel loss')
    perceptual_opt: Loss | None = Field(
        None, description='perceptual loss; skipped, with a warning, where its weights are ~'
    )
    gan_opt: Loss | None = Field(None, description='adversarial loss with adaptive weight: AdaptiveGANLoss')
    net_d_start_iter: int = Field(1, ge=0, description='first iteration with adversarial loss')


class VideoFaceValidation(ValOptions):
    """``val`` of models of videos."""

    is_open: ClassVar[bool] = False

    batch_size: int = Field(1, ge=1, description='windows that are restored in one pass')
    stride: int = Field(
        1,
        ge=1,
        description='frames from one window to the next; 1 keeps the middle frame of each, '
        'more is faster and keeps all, blended where windows overlap',
    )


class VideoFaceOptions(TrainableOptions):
    """An option file for a model of videos."""

    needed_of_network: ClassVar[str] = 'last_layer'
    has_dataset_metrics: ClassVar[bool] = True

    network_d: Network | None = Field(None, description='the discriminator; needed with gan_opt')
    path: VideoFacePath = Field(description='weights and states to start from')
    train: VideoFaceTraining | None = Field(None, description='how to train')
    val: VideoFaceValidation | None = Field(None, description='how to validate and test')

    @classmethod
    def contradictions(cls, options: dict[str, Any], is_train: bool) -> Iterator[tuple[Keys, str]]:
        yield from super().contradictions(options, is_train)
        if is_train and cls.network_fits(options):
            yield from check_windows(options, options['network_g'])
        stride = value(options, 'val', 'stride')
        if stride and cls.network_fits(options):
            num_frames = network_argument(options['network_g'], 'num_frames')
            if stride > num_frames:
                yield ('val', 'stride'), f' is {stride}; it must be {num_frames} or less, the frames of a window'
        train = options.get('train') or {}
        for key in ('pixel_opt', 'perceptual_opt'):
            loss = look_up(LOSS_REGISTRY, value(train, key, 'type') or '')
            if loss is not None and returns_pair(loss):
                yield (
                    ('train', key, 'type'),
                    f' is {train[key]["type"]}, which returns a pair; {options.get("model_type")} takes one value, '
                    'such as that of a CombinedLoss',
                )
        if train.get('gan_opt'):
            yield from check_adversarial(options, train)


def check_windows(options: dict[str, Any], network_g: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Compare training windows with network_g: its number of frames, and a size that its strides divide."""
    section = value(options, 'datasets', 'train') or {}
    data_set = look_up(DATASET_REGISTRY, section.get('type', ''))
    if data_set is None:
        return
    section = description_of(data_set, DataSetOptions).with_defaults(section)
    num_frame, num_frames = section.get('num_frame'), network_argument(network_g, 'num_frames')
    if num_frame is not None and num_frame != num_frames:
        yield (
            ('datasets', 'train', 'num_frame'),
            f' is {num_frame}, but network_g.num_frames is {num_frames}: make them equal',
        )
    gt_size = section.get('gt_size')
    requirements = InputRequirements.of_levels(len(network_argument(network_g, 'multipliers') or (1,)), num_frames)
    if gt_size is not None and not requirements.accepts_side(gt_size):
        yield (
            ('datasets', 'train', 'gt_size'),
            f' is {gt_size}; for this network_g it must be a multiple of {requirements.multiple_of}, '
            f'{requirements.minimum} or more',
        )


def check_adversarial(options: dict[str, Any], train: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Check that an adversarial loss has a discriminator, its optimizer, and a loss to be weighted against."""
    if not options.get('network_d'):
        yield ('network_d',), ' is missing: train.gan_opt needs it'
    if not train.get('optim_d'):
        yield ('train', 'optim_d'), ' is missing: train.gan_opt needs it'
    loss = look_up(LOSS_REGISTRY, train['gan_opt'].get('type', ''))
    if loss is not None and not hasattr(loss, 'adaptive_weight'):
        yield (
            ('train', 'gan_opt', 'type'),
            f' is {train["gan_opt"]["type"]}; it must be one with an adaptive weight, such as AdaptiveGANLoss',
        )
    if not is_used(train.get('pixel_opt')) and not is_used(train.get('perceptual_opt')):
        yield ('train', 'gan_opt'), ' is weighted against pixel_opt and perceptual_opt, but neither is used'
