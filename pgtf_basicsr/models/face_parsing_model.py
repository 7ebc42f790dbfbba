"""Training of E_p, the face parsing network that guides PGTFormer."""

import json
import os
from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from basicsr.utils.registry import MODEL_REGISTRY

from ..checkpoints import load_weights, state_dict
from ..images import to_image
from .face_parsing_options import FaceParsingOptions
from .parsing_scores import ParsingScores, parsing_strip
from .trainable_model import TrainableModel

__all__ = ['FaceParsingModel']


@MODEL_REGISTRY.register()
class FaceParsingModel(TrainableModel):
    """Trains FaceParsingNet on images whose pixels are labelled; its weights are stage II's E_p.

    The loss is that of the main head plus those of the two auxiliary heads, all three at the size of the image (Yu
    et al., *BiSeNet*, ECCV 2018).

    Validation gives mean IoU and pixel accuracy over all pixels of a dataset.

    Args:
        opt (dict): The options of a run, see :class:`FaceParsingOptions`.
    """

    option_types = FaceParsingOptions

    def init_training_settings(self) -> None:
        if not self.options.path.resume_state:
            self.load_backbone()
        super().init_training_settings()

    def load_backbone(self) -> None:
        """Load the backbone from ``path.pretrain_network_backbone``, if the options name it."""
        path = self.options.path.pretrain_network_backbone
        if path is None:
            return
        resnet = self.net_g.cp.resnet
        # Files from before torch 0.4.1 count no batches.
        state = {name: tensor for name, tensor in resnet.state_dict().items() if name.endswith('num_batches_tracked')}
        state.update((name, tensor) for name, tensor in state_dict(path).items() if not name.startswith('fc.'))
        load_weights(resnet, state, path)

    def init_losses(self) -> None:
        self.cri_parsing = self.build_loss('parsing_opt')
        self.auxiliary_weight = self.options.train.auxiliary_weight

    def feed_data(self, data: dict[str, Any]) -> None:
        """Take a batch from the loader: 'image' (B, 3, H, W) in [0, 1] and 'mask' (B, H, W) int64."""
        self.image = data['image'].to(self.device, non_blocking=True)
        self.mask = data['mask'].to(self.device, non_blocking=True)
        self.samples, self.drawn = data.get('key', []), data.get('drawn', [])

    def compute_gradients(self, current_iter: int, step: bool) -> OrderedDict[str, torch.Tensor]:
        losses = OrderedDict()
        with self.gradients_for(self.net_g, step):
            with self.autocast():
                main, context8, context16 = self.net_g(self.image)
                losses['l_main'] = self.cri_parsing(main, self.mask)
                for name, logits in (('l_context8', context8), ('l_context16', context16)):
                    losses[name] = self.auxiliary_weight * self.cri_parsing(logits, self.mask)
            self.backward(sum(losses.values()))
        losses['pixel_accuracy'] = (main.detach().argmax(1) == self.mask).float().mean()
        return losses

    def new_scores(self, dataset: Any) -> ParsingScores:
        return ParsingScores(dataset.opt['name'], self.get_bare_model(self.net_g).num_classes)

    @torch.no_grad()
    def score(
        self, net: Any, dataset: Any, index: int, scores: ParsingScores, save_img: bool
    ) -> tuple[str, np.ndarray | None]:
        """Label an image and count its pixels."""
        item = dataset[index]
        with self.autocast():
            logits = net(item['image'].unsqueeze(0).to(self.device))[0]
        prediction, truth = logits[0].argmax(0).cpu().numpy(), item['mask'].numpy()
        scores.add(prediction, truth)
        return item['key'], parsing_strip(to_image(item['image']), prediction, truth, net.num_classes)

    def save_results(self, scores: ParsingScores) -> None:
        with open(os.path.join(self.opt['path']['results_root'], f'metrics_{scores.data_set}.json'), 'w') as file:
            json.dump(scores.as_dict(), file, indent=2)
