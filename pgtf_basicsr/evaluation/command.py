"""``basicsr evaluate``: scores of ready-made clips, such as those of other methods."""

import argparse
import os
import sys
from itertools import repeat
from pathlib import Path

from basicsr.utils import get_root_logger

from .. import config
from ..config.metric_specification import specification_of
from ..data.benchmarks import protocol_of
from ..errors import UserError
from ..files import is_file_name, list_visible
from ..folders import make_fresh_folder
from ..plugins import load_plugins
from .clip_images import ClipImages
from .clip_sources import find_clips
from .report import begin_report, write_images, write_report
from .results import DatasetResult
from .tables import markdown_table
from .val_metrics import ClipScorer, describe_metrics, is_measured, require_clips, whole_scores

__all__ = ['add_arguments', 'run']

# Those that need neither a file nor a face.
WITH_GT = ('psnr', 'ssim', 'msrl', 'flicker')
WITHOUT_GT = ('niqe', 'flicker')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `run` needs to an argparse parser."""
    what = 'a video, a folder of frames, or a folder of either'
    parser.add_argument('--restored', required=True, metavar='PATH', help=f'what a method made: {what}')
    parser.add_argument('--gt', metavar='PATH', help='the ground truth: the same, with the same names of clips')
    parser.add_argument(
        '--degraded', metavar='PATH', help='the input of the method, scored for comparison if it has the same size'
    )
    parser.add_argument(
        '--metrics',
        nargs='+',
        metavar='NAME[:KEY=VALUE,...]',
        help='such as psnr lpips lmd:landmarks=centerface (default: '
        f'{" ".join(WITH_GT)}, and without --gt {" ".join(WITHOUT_GT)})',
    )
    parser.add_argument('-opt', metavar='FILE', help='an option file whose val.metrics are measured')
    parser.add_argument('--name', help='what tables call the run (default: the last part of --restored)')
    parser.add_argument(
        '--data-set', default='clips', metavar='NAME', help='what tables call the clips together (default: %(default)s)'
    )
    parser.add_argument(
        '-o',
        '--output',
        metavar='FOLDER',
        help='where to write the results; what is there is moved aside (default: results/NAME)',
    )


def run(args: argparse.Namespace) -> None:
    """Score clips as the parsed arguments say, by metrics of plugins as well."""
    load_plugins()
    metrics = chosen_metrics(args)
    infos = describe_metrics(metrics)
    path = Path(args.restored).absolute()
    name = args.name or (path.stem if path.is_file() else path.name)
    folder = Path(args.output or os.path.join('results', name)).absolute()
    check_names(args, name, folder)
    restored, gt, degraded = find_all(args)
    check(metrics, args.data_set, restored, gt, degraded)
    scored = {clip.path.name: clip.num_frames for clip in (gt or degraded).values()}
    protocol = protocol_of(args.gt, args.degraded, scored)
    archived = make_fresh_folder(folder)
    begin_report(folder)
    logger = get_root_logger()
    if archived:
        logger.info(f'Path already exists. Rename it to {archived}')

    clips, collected = [], []
    for number, clip in enumerate(restored, 1):
        scorer, images = ClipScorer(metrics, bool(gt)), ClipImages(restored[clip].num_frames)
        for frames in in_step(restored[clip], gt.get(clip), degraded.get(clip)):
            scorer.update(*frames)
            images.update(*frames)
        result = scorer.result(clip)
        result.pictures, result.columns = write_images(images, folder, args.data_set, clip), images.columns
        clips.append(result)
        collected.append(scorer.collected())
        logger.info(f'Clip {number} of {len(restored)}: {clip}, {result.num_frames} frames')
    whole = whole_scores(metrics, collected)
    results = [DatasetResult(name, args.data_set, infos, clips, whole, protocol)]
    write_report(results, folder)
    sys.stdout.write(f'{markdown_table(results)}\nMore in {os.path.relpath(folder)}/metrics.html\n')


def chosen_metrics(args):
    """The metrics that --metrics, -opt or neither name, checked, {name: dict(type=..., **arguments)}."""
    if args.metrics and args.opt:
        raise UserError('--metrics and -opt both say what to measure: give one of them')
    if args.opt:
        metrics = config.check_metrics(config.read(args.opt))
    else:
        sections, places = {}, {}
        for entry in args.metrics or (WITH_GT if args.gt else WITHOUT_GT):
            name, section = metric_section(entry)
            # One metric may be measured in several ways.
            name = entry if name in sections else name
            sections[name], places['val', 'metrics', name] = section, entry
        metrics = config.check_metrics(config.OptionFile('--metrics', {'val': {'metrics': sections}}, places))
    for name, section in metrics.items():
        if specification_of(section).compares == 'codes':
            raise UserError(f'metric {name} compares codes, which ready-made clips do not have: leave it out')
        if not is_measured(section, has_gt=bool(args.gt)):
            raise UserError(f'metric {name} needs the ground truth: name it with --gt, or leave the metric out')
    return metrics


def metric_section(entry):
    """Name and section of a metric as --metrics has it, NAME or NAME:KEY=VALUE,..."""
    name, _, arguments = entry.partition(':')
    section = {'type': name if name.startswith('calculate_') else f'calculate_{name}'}
    if section['type'] in ('calculate_psnr', 'calculate_ssim', 'calculate_niqe'):
        # BasicSR has no default for it.
        section['crop_border'] = 0
    for argument in filter(None, arguments.split(',')):
        key, separator, value = argument.partition('=')
        if not separator:
            raise UserError(f'--metrics {entry}: expected NAME:KEY=VALUE,KEY=VALUE')
        section[key] = config.parse(value, f'--metrics {entry}')[0]
    return name, section


def find_all(args):
    """Restored, real and degraded clips, {name: clip} each with the names of the restored ones; or nothing."""
    restored = find_clips(args.restored, '--restored')
    others = []
    for option, path in (('--gt', args.gt), ('--degraded', args.degraded)):
        clips = find_clips(path, option) if path else {}
        if len(restored) == len(clips) == 1:
            # Of single clips it is clear which belong together, whatever they are called.
            clips = dict(zip(restored, clips.values()))
        missing = [name for name in restored if path and name not in clips]
        if missing:
            raise UserError(
                f'{option}: {path} has no clip {missing[0]}, which {args.restored} has '
                f'({len(missing)} of {len(restored)} are missing)'
            )
        others.append({name: clips[name] for name in restored} if path else {})
        left = len(clips) - len(others[-1])
        if left:
            get_root_logger().warning(
                f'{option}: {left} clips of {path} are not among the restored ones; {len(restored)} are scored.'
            )
    return restored, *others


def check(metrics, data_set, restored, gt, degraded):
    """Refuse clips that do not fit each other or the metrics, before any is scored."""
    for what, clips in (('ground truth', gt), ('degraded clip', degraded)):
        for name, clip in clips.items():
            own = restored[name]
            if clip.num_frames != own.num_frames:
                raise UserError(
                    f'clip {name}: {own.path} has {own.num_frames} frames and its {what} {clip.path} '
                    f'{clip.num_frames}; they must be as many'
                )
    for name, clip in gt.items():
        own = restored[name]
        if (clip.width, clip.height) != (own.width, own.height):
            raise UserError(
                f'clip {name}: frames of {own.path} are {own.width}x{own.height} and those of its ground '
                f'truth {clip.path} {clip.width}x{clip.height}; they must be of one size'
            )
    lengths = {name: clip.num_frames for name, clip in restored.items()}
    side = min(min(clip.width, clip.height) for clip in restored.values())
    require_clips(metrics, data_set, lengths, bool(gt), side)


def check_names(args, name, folder):
    """Refuse names that are none of files, and a folder of results in whose place something else lies."""
    for option, text in (('--name', name), ('--data-set', args.data_set)):
        if not is_file_name(text):
            raise UserError(f'{option} {text} cannot be the name of a file: leave out what leads to other folders')
    for option, path in (('--restored', args.restored), ('--gt', args.gt), ('--degraded', args.degraded)):
        if path and folder in (Path(path).absolute(), *Path(path).absolute().parents):
            raise UserError(f'{folder}, where the results would go, holds {option} itself: choose another with -o')
    if folder.exists() and not (folder.is_dir() and (next(folder.glob('metrics*'), None) or not list_visible(folder))):
        raise UserError(f'{folder} is there already and holds no results: choose another folder with -o')


def in_step(restored, gt, degraded):
    """Frames of a clip and of those that belong to it, together: (restored, gt | None, degraded | None)."""
    return zip(restored, *(repeat(None) if clip is None else clip for clip in (gt, degraded)))
