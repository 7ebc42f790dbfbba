"""Options of TSVQGANModel."""

from typing import Literal

from pydantic import Field

from .video_face_options import VideoFaceOptions, VideoFaceTraining, VideoFaceValidation

__all__ = ['TSVQGANOptions']


class TSVQGANTraining(VideoFaceTraining):
    """``train`` of TSVQGANModel."""

    commitment_weight: float = Field(1.0, ge=0, description='weight of the commitment loss')


class TSVQGANValidation(VideoFaceValidation):
    """``val`` of TSVQGANModel."""

    reconstruct: Literal['gt', 'lq'] = Field(
        'gt',
        description='frames that validation reconstructs; lq shows what the autoencoder alone makes of degraded ones',
    )


class TSVQGANOptions(VideoFaceOptions):
    """An option file for TSVQGANModel: stage I."""

    needed_of_network = 'encode_codes'

    train: TSVQGANTraining | None = Field(None, description='how to train')
    val: TSVQGANValidation | None = Field(None, description='how to validate and test')
