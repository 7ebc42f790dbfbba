"""PatchGAN discriminator of the stages with an adversarial loss."""

from basicsr.utils.registry import ARCH_REGISTRY

from .blocks import VQGANDiscriminator

__all__ = ['VQGANDiscriminator']

ARCH_REGISTRY.register(VQGANDiscriminator)
