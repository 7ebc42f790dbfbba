"""What becomes of every registered name in this package's own models and in BasicSR's: `test_table` tries each cell.

A cell is ``works``; ``adapter``, what works through one of ADAPTERS and fails without; or the line that refuses it.
"""

__all__ = ['ADAPTERS', 'COLUMNS', 'ROWS', 'as_markdown']

COLUMNS = ('own', 'image', 'video')
ADAPTERS = {'loss': 'PerceptualPair', 'network': 'SingleOutputNetwork', 'dataset': 'VFHQVideoTestDataset'}
WORKS, ADAPTER = 'works', 'adapter'

NO_CLIP = 'expected a video (B, T, C, H, W) with T of 2 or more'
NO_CODES = 'logits (..., N) and codes (...) disagree'
FEATURES = 'expected a list of features for each discriminator'
FRAMES = 'models of BasicSR measure single frames'
MISSING = 'required positional arguments'

# kind, name, own model, stock image model, stock video model
ROWS = (
    ('network', 'TSVQGAN', WORKS, ADAPTER, ADAPTER),
    ('network', 'PGTFormer', WORKS, ADAPTER, ADAPTER),
    ('network', 'FaceParsingNet', WORKS, ADAPTER, ADAPTER),
    ('network', 'VQGANDiscriminator', WORKS, WORKS, WORKS),
    ('network', 'SingleOutputNetwork', 'is SingleOutputNetwork, which TSVQGANModel cannot run', WORKS, WORKS),
    ('loss', 'MSRLLoss', WORKS, NO_CLIP, WORKS),
    ('loss', 'GradientL1Loss', WORKS, NO_CLIP, WORKS),
    ('loss', 'LPIPSLoss', WORKS, ADAPTER, ADAPTER),
    ('loss', 'VGGPerceptualLoss', WORKS, ADAPTER, ADAPTER),
    ('loss', 'TemporalLPIPSLoss', WORKS, NO_CLIP, ADAPTER),
    ('loss', 'CodeFeatureLoss', WORKS, WORKS, WORKS),
    ('loss', 'CodeCrossEntropyLoss', WORKS, NO_CODES, NO_CODES),
    ('loss', 'CodeFocalLoss', WORKS, NO_CODES, NO_CODES),
    ('loss', 'OhemCrossEntropyLoss', WORKS, 'labels (N, H, W) disagree', 'labels (N, H, W) disagree'),
    ('loss', 'AdaptiveGANLoss', WORKS, WORKS, WORKS),
    ('loss', 'FeatureMatchingLoss', FEATURES, FEATURES, FEATURES),
    ('loss', 'CombinedLoss', WORKS, WORKS, WORKS),
    ('loss', 'PerceptualPair', 'is PerceptualPair, which returns a pair; TSVQGANModel takes one value', WORKS, WORKS),
    ('dataset', 'VFHQDataset', WORKS, ADAPTER, WORKS),
    ('dataset', 'VFHQVideoTestDataset', 'has single frames; TSVQGANModel takes whole clips', WORKS, WORKS),
    ('dataset', 'CelebAMaskHQDataset', WORKS, 'lq', 'lq'),
    ('metric', 'calculate_lpips', WORKS, WORKS, WORKS),
    ('metric', 'calculate_lmd', WORKS, WORKS, WORKS),
    ('metric', 'calculate_deg', WORKS, WORKS, WORKS),
    ('metric', 'calculate_tlme', WORKS, FRAMES, FRAMES),
    ('metric', 'calculate_landmark_jitter', WORKS, FRAMES, FRAMES),
    ('metric', 'calculate_identity_consistency', WORKS, FRAMES, FRAMES),
    ('metric', 'calculate_msrl', WORKS, FRAMES, FRAMES),
    ('metric', 'calculate_flicker', WORKS, FRAMES, FRAMES),
    ('metric', 'calculate_fvd', WORKS, 'says nothing of a single one or its frames', 'says nothing of a single one'),
    ('metric', 'calculate_code_accuracy', WORKS, MISSING, MISSING),
    ('metric', 'calculate_mean_iou', 'calculate_mean_iou compares no images', MISSING, MISSING),
    ('model', 'TSVQGANModel', WORKS, '', ''),
    ('model', 'PGTFormerModel', WORKS, '', ''),
    ('model', 'FaceParsingModel', WORKS, '', ''),
    ('model', 'HiFaceGANVideoModel', '', WORKS, ''),
    ('model', 'SRModelWithLosses', '', WORKS, ''),
    ('model', 'SRGANModelWithLosses', '', WORKS, ''),
    ('model', 'ESRGANModelWithLosses', '', WORKS, ''),
    ('model', 'VideoModelWithLosses', '', '', WORKS),
    ('model', 'EDVRModelWithLosses', '', '', WORKS),
    ('model', 'VideoRecurrentModelWithLosses', '', '', WORKS),
    ('model', 'VideoRecurrentGANModelWithLosses', '', '', WORKS),
)


def as_markdown() -> str:
    """The table as the documentation has it."""
    lines = ['| | own model | image model of BasicSR | video model of BasicSR |', '|---|---|---|---|']
    for kind, name, *cells in ROWS:
        texts = [
            f'`{ADAPTERS[kind]}`' if cell == ADAPTER else cell if cell in (WORKS, '') else f'refused: “{cell}”'
            for cell in cells
        ]
        lines.append(f'| {kind} `{name}` | {" | ".join(texts)} |')
    return '\n'.join(lines)
