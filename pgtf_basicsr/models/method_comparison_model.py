"""Tables of methods: each restores the same clips, and all scores go into one table."""

import os
import time
from collections.abc import Iterable, Iterator
from itertools import islice, repeat, tee
from pathlib import Path
from typing import Any

import numpy as np
import torch
from basicsr.models.base_model import BaseModel
from basicsr.utils import get_root_logger, imwrite
from basicsr.utils.registry import MODEL_REGISTRY

from ..archs import PGTFormer
from ..archs.loading import find_network, load_network
from ..checkpoints import read_checkpoint
from ..config.metric_specification import specification_of
from ..config.signatures import parameters_of
from ..data.benchmarks import protocol_of_dataset
from ..data.clip_stream import ClipStream, open_stream
from ..errors import UserError
from ..evaluation.clip_images import ClipImages
from ..evaluation.method_table import (
    MethodSource,
    MethodTable,
    NotRun,
    RunTimes,
    means_text,
    missing_text,
    write_method_table,
)
from ..evaluation.report import write_images, write_report
from ..evaluation.results import DatasetResult, MetricInfo
from ..evaluation.val_metrics import ClipScorer, describe_available
from ..images import to_image
from ..methods import Input, Method, MethodNeeds, build_method, missing_weights
from ..methods.aligned import AlignedPipeline, build_detector
from ..methods.registry import method_type
from ..methods.timing import describe_machine, measure_interleaved
from ..ranks import on_rank_0
from ..restoration.jobs import file_digest
from .clip_scores import ClipScores
from .clip_sets import check_clips
from .code_streams import codes_of_frames
from .method_comparison_options import ALIGNMENTS, MethodComparisonOptions, alignment_of, method_options

__all__ = ['MethodComparisonModel']


@MODEL_REGISTRY.register()
class MethodComparisonModel(BaseModel):
    """Scores methods on the same clips.

    Methods whose weights are missing, and metrics whose networks are, are listed with the reason instead. Clips are
    shared out over ranks; run time is measured on rank 0.

    Args:
        opt (dict): The options of a run, see :class:`MethodComparisonOptions`.

    Raises:
        UserError: No method can be run, or the weights of one cannot be read.
    """

    option_types = MethodComparisonOptions
    # Typed options; without a type here, for a test has the section val.
    options: Any

    def __init__(self, opt: dict[str, Any]) -> None:
        super().__init__(opt)
        self.options = self.option_types.of_model(self, opt)
        self.metrics, missing = on_rank_0(lambda: describe_available(self.options.val.metrics or {}))
        # BasicSR tests them in the order of their sections' names.
        self.datasets = [section['name'] for _, section in sorted(opt['datasets'].items())]
        self.table = MethodTable(self.options.name, {})
        for name, reason in missing.items():
            self._leave_out_metric(name, reason)
        self.methods = self._build_methods()
        self.teacher = self._load_teacher()
        for name, info in self.metrics.items():
            get_root_logger().info(f'Metric [{name}] - {info.label or info.title}.')
        self.detector = self._build_detector()
        # Images of a clip show them once.
        self.shows_degraded = self.options.val.input == 'lq' and not any(
            isinstance(method, Input) for method in self.methods.values()
        )

    # ----------------------------------------------------------------- set-up

    def _build_methods(self) -> dict[str, Method]:
        """Build those whose weights are there."""
        missing, digests = on_rank_0(self._look_for_weights)
        for name, reason in missing.items():
            self._leave_out_method(NotRun(name, reason))
        methods = {}
        for name, digest in digests.items():
            section = self.options.methods[name]
            options = method_options(section)
            if 'device' in {parameter.name for parameter in parameters_of(method_type(options))[0]}:
                options = {'device': str(self.device), **options}
            methods[name] = build_method(options)
            alignment = {dataset: self._alignment(name, dataset) for dataset in self.datasets}
            self.table.sources[name] = MethodSource(section, section.get('weights') or '', digest, alignment)
        if not methods:
            raise UserError(
                f'{self.opt.get("option_file", self.options.name)}: no method can be run',
                *(f'{item.method}: {item.reason}' for item in self.table.not_run),
            )
        return methods

    def _look_for_weights(self) -> tuple[dict[str, str], dict[str, str]]:
        """{method: what it lacks}, and {method: SHA-256 of its weights, '' without any} of the others."""
        missing, digests = {}, {}
        for name, section in self.options.methods.items():
            options = method_options(section)
            reason, weights = missing_weights(options), options.get('weights')
            if reason:
                missing[name] = reason
            else:
                digests[name] = '' if weights is None else file_digest(Path(weights))
        return missing, digests

    def _load_teacher(self) -> Any:
        """Load stage I's autoencoder, if metrics compare with its codes; without it they are left out."""
        of_codes = [name for name, info in self.metrics.items() if _compares_codes(info)]
        if not of_codes:
            return None
        path = self.options.path and self.options.path.pretrain_network_vqgan
        reason = ''
        if not any(map(self._net, self.methods)):
            reason = 'none of the methods predicts codes'
        elif path is None or not os.path.isfile(os.path.expanduser(path)):
            reason = (
                f'path.pretrain_network_vqgan, weights of stage I, is {f"not there: {path}" if path else "missing"}'
            )
        if reason:
            for name in of_codes:
                self._leave_out_metric(name, reason)
                del self.metrics[name]
            return None
        checkpoint = read_checkpoint(path)
        teacher = load_network(checkpoint, *find_network(checkpoint))
        if not hasattr(teacher, 'encode_codes'):
            raise UserError(f'path.pretrain_network_vqgan: {path} is {type(teacher).__name__}, which gives no codes')
        return teacher.to(self.device).requires_grad_(False)

    def _build_detector(self) -> Any:
        """Build the detector of faces, if a method needs aligned ones."""
        if all(self._alignment(method, dataset) == 'none' for method in self.methods for dataset in self.datasets):
            return None
        return build_detector(self.options.val.detector)

    def _leave_out_metric(self, name: str, reason: str) -> None:
        metrics = self.options.val.metrics or {}
        self.table.not_measured[specification_of(metrics[name]).title or name] = reason
        get_root_logger().warning(f'Metric {name} is not measured: {reason}')

    def _leave_out_method(self, item: NotRun) -> None:
        self.table.not_run.append(item)
        where = f' on {item.dataset}' if item.dataset else ''
        get_root_logger().warning(f'{item.method} is not run{where}: {item.reason}')

    def _alignment(self, method: str, dataset: str) -> str:
        return alignment_of(self.options.methods[method], dataset)

    def check_data_set(self, dataset: Any) -> None:
        """Refuse a dataset that cannot be scored, and find the methods that cannot restore it.

        Raises:
            UserError: It says which clip and why.
        """
        check_clips(dataset, self.metrics, type(self).__name__)
        name = dataset.opt['name']
        if self.options.val.input == 'gt' and not getattr(dataset, 'has_gt', True):
            raise UserError(f'dataset {name} has no ground truth to reconstruct: set val.input to lq')
        size = getattr(dataset, 'gt_size', None)
        for method, needs in ((method, self.methods[method].needs) for method in self.methods):
            if self._alignment(method, name) != 'none':
                continue
            if needs.scale != 1:
                reason = f'its frames are {needs.scale} times as large as those of the ground truth'
                self._leave_out_method(NotRun(method, reason, name))
            elif size is not None and not _takes(needs, size):
                note = (
                    f'{method} takes frames of another size than the {size} pixels of {name}, which are resized for it.'
                )
                self.table.notes.append(note)
                get_root_logger().warning(note)

    # ------------------------------------------------------------- validation

    def dist_validation(self, dataloader: Any, current_iter: Any, tb_logger: Any, save_img: bool) -> None:
        """Score all methods on a dataset; BasicSR calls it where there are several processes."""
        self.validate(dataloader.dataset, save_img)

    def nondist_validation(self, dataloader: Any, current_iter: Any, tb_logger: Any, save_img: bool) -> None:
        """Score all methods on a dataset; BasicSR calls it where there is one process."""
        self.validate(dataloader.dataset, save_img)

    def validate(self, dataset: Any, save_img: bool) -> None:
        """Score all methods on a dataset, and write the table of the datasets so far."""
        name = dataset.opt['name']
        left_out = {item.method for item in self.table.not_run if item.dataset == name}
        restorers = {method: self._restorer(method, name) for method in self.methods if method not in left_out}
        protocol = protocol_of_dataset(dataset)
        for method, restorer in restorers.items():
            self.table.results.append(self._scored(method, restorer, dataset, protocol, save_img))
        if self.options.val.timing and restorers:
            self.table.times[name] = on_rank_0(lambda: self._measure(restorers, dataset))
        if self.opt['rank'] != 0:
            return
        folder = self.opt['path']['results_root']
        for method in restorers:
            write_report(self.table.of_method(method), os.path.join(folder, method))
        write_method_table(self.table, folder)
        get_root_logger().info(
            f'Results of {name}, more of them in {folder}/metrics.html:\n{means_text(self.table, [name])}'
        )
        missing = missing_text(self.table)
        if missing and name == self.datasets[-1]:
            get_root_logger().info(f'Not all of {self.table.name} is there.\n{missing}')

    def _restorer(self, method: str, dataset: str) -> Method:
        """A method as it restores the clips of a dataset: with the alignment that its section asks for."""
        smoothing = ALIGNMENTS[self._alignment(method, dataset)]
        return AlignedPipeline(self.methods[method], self.detector, smoothing) if smoothing else self.methods[method]

    def _scored(self, method: str, restorer: Method, dataset: Any, protocol: str, save_img: bool) -> DatasetResult:
        """Score a method on all clips, each rank a part of them."""
        metrics = {name: info for name, info in self.metrics.items() if not _compares_codes(info) or self._net(method)}
        scores = ClipScores(method, dataset.opt['name'], metrics, protocol)
        for index in range(self.opt['rank'], len(dataset), self.opt['world_size']):
            # What a method draws depends neither on the clips before nor on the number of ranks.
            torch.manual_seed(self.opt['manual_seed'])
            self._score(method, restorer, dataset, index, scores, save_img)
        return scores.gathered().result

    def _score(
        self, method: str, restorer: Method, dataset: Any, index: int, scores: ClipScores, save_img: bool
    ) -> None:
        """Restore a clip, a few frames in memory at a time, and score every frame."""
        clip, data_set = open_stream(dataset, index), dataset.opt['name']
        scorer = ClipScorer({name: info.options for name, info in scores.metrics.items()}, clip.has_gt)
        images = ClipImages(clip.num_frames)
        start = time.time()
        inputs, shown = tee(clip)
        restored = restorer.restore(self._inputs(inputs))
        for number, (frame, (lq, gt), codes) in enumerate(zip(restored, shown, self._codes(method, clip))):
            image, real = to_image(frame.float()), None if gt is None else to_image(gt)
            # Scores of the input are those of the method Input.
            scorer.update(image, real, codes=codes)
            images.update(image, real, to_image(lq) if self.shows_degraded else None)
            if save_img:
                self._save_frame(image, method, data_set, clip.name, number)
        if scorer.num_frames != clip.num_frames:
            raise UserError(
                f'{method} gave {scorer.num_frames} frames for the {clip.num_frames} of {data_set}, {clip.name}'
            )
        result = scorer.result(clip.name)
        result.pictures = write_images(images, self._folder(method), data_set, clip.name)
        result.columns = images.columns
        scores.add(result, scorer.collected())
        get_root_logger().info(
            f'{method}, {data_set}, clip {index + 1} of {len(dataset)}: {clip.name}, {result.num_frames} '
            f'frames in {time.time() - start:.1f} s'
        )

    def _inputs(self, clip: Iterable[tuple[torch.Tensor, torch.Tensor | None]]) -> Iterator[torch.Tensor]:
        """Frames that a method is given."""
        for lq, gt in clip:
            yield lq if self.options.val.input == 'lq' or gt is None else gt

    def _net(self, method: str) -> Any:
        """The network of a method that predicts codes, or None."""
        net = getattr(self.methods[method], 'net', None)
        return net if isinstance(net, PGTFormer) else None

    def _codes(self, method: str, clip: ClipStream) -> Iterator[Any]:
        """What metrics of codes compare, frame by frame."""
        net = self._net(method)
        if self.teacher is None or net is None or not clip.has_gt:
            return repeat(None)
        return codes_of_frames(net, self.teacher, clip, device=self.device)

    def _measure(self, restorers: dict[str, Method], dataset: Any) -> RunTimes:
        """Measure seconds a frame on the first frames of the first clip."""
        timing = self.options.val.timing
        clip = open_stream(dataset, 0)
        frames = list(islice(self._inputs(clip), timing.frames))
        get_root_logger().info(f'Measuring run time on {len(frames)} frames of {clip.name}.')
        times = measure_interleaved(restorers, frames, timing.rounds)
        height, width = frames[0].shape[1:]
        measured = (
            f'Median of rounds in which methods take turns; rounds: {timing.rounds}, frames: {len(frames)} of '
            f'{width}x{height} pixels'
        )
        return RunTimes(
            describe_machine(),
            measured,
            {
                method: {
                    step: (spread.median, spread.low, spread.high)
                    for step, spread in {**of_method.steps, 'total': of_method.total}.items()
                }
                for method, of_method in times.items()
            },
        )

    def _folder(self, method: str) -> str:
        return os.path.join(self.opt['path']['results_root'], method)

    def _save_frame(self, image: np.ndarray, method: str, data_set: str, clip: str, number: int) -> None:
        """Save a restored frame, named as BasicSR names those of videos."""
        suffix = self.options.val.suffix or method
        folder = os.path.join(self.opt['path']['visualization'], method, data_set, clip)
        imwrite(image[..., ::-1], os.path.join(folder, f'{number:08d}_{suffix}.png'))


def _takes(needs: MethodNeeds, size: int) -> bool:
    """Whether a method's network takes square frames of this side."""
    return size == needs.size if needs.size else size % needs.multiple_of == 0 and size >= needs.minimum


def _compares_codes(info: MetricInfo) -> bool:
    return specification_of(info.options).compares == 'codes'
