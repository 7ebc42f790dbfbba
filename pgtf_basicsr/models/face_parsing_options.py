"""Options of FaceParsingModel."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from ..config.mistakes import Keys
from ..config.registered_sections import Loss
from ..config.schema import ValOptions, value
from ..config.value_types import ExistingFile
from .trainable_options import TrainableOptions, TrainablePath, TrainableTraining

__all__ = ['FaceParsingOptions']


class FaceParsingPath(TrainablePath):
    """``path`` of FaceParsingModel."""

    pretrain_network_backbone: ExistingFile | None = Field(
        None, description='ResNet-18 of ImageNet as torchvision stores it, from which the backbone starts'
    )


class FaceParsingTraining(TrainableTraining):
    """``train`` of FaceParsingModel."""

    parsing_opt: Loss = Field(description='loss of logits and labels, such as OhemCrossEntropyLoss')
    auxiliary_weight: float = Field(1.0, ge=0, description="weight of the two auxiliary heads' losses")


class FaceParsingValidation(ValOptions):
    """``val`` of FaceParsingModel."""

    is_open: ClassVar[bool] = False

    metrics: Literal[None] = Field(None, description='there are always two, and no others: mean_iou and pixel_accuracy')


class FaceParsingOptions(TrainableOptions):
    """An option file for FaceParsingModel: E_p."""

    needed_of_network: ClassVar[str] = 'heads'

    path: FaceParsingPath = Field(description='weights and states to start from')
    train: FaceParsingTraining | None = Field(None, description='how to train')
    val: FaceParsingValidation | None = Field(None, description='how to validate and test')

    @classmethod
    def contradictions(cls, options: dict[str, Any], is_train: bool) -> Iterator[tuple[Keys, str]]:
        yield from super().contradictions(options, is_train)
        if is_train and value(options, 'datasets', 'train', 'batch_size_per_gpu') == 1:
            yield (
                ('datasets', 'train', 'batch_size_per_gpu'),
                ' is 1; it must be 2 or more: pooled features of one image give BatchNorm no statistics',
            )
