"""A small data set in the layout of CelebAMask-HQ, without a download: for the quickstart and for tests.

The parts of the two portraits that `sample_data` moves are outlined by hand; each picture shows a portrait at another
place, with its outlines filled where they then lie.  It gives

    ROOT/train/CelebA-HQ-img/<n>.jpg, ROOT/train/CelebAMask-HQ-mask-anno/0/<n>_<part>.png
    ROOT/test/...               held-out pictures: other places
    ROOT/sample_data.json       what was asked for
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..data.celebamask_dataset import IMAGES, mask_path
from ..data.checks import require
from ..data.clips import write_frame
from ..faces.alignment import resize_matrix, transform_points
from .sample_data import FacePath, portraits, replacing_data

__all__ = ['OUTLINES', 'MaskSummary', 'draw_masks', 'write_sample_masks']

# Polygons in pixels of the photographs, {portrait: {part: polygons}}; left and right as seen in the picture.  A part
# may reach under those that are merged after it: skin under neck, cloth and hair, eyes under glasses.
OUTLINES = {
    'collins': {
        'skin': [
            [
                (187, 66),
                (183, 85),
                (181, 100),
                (181, 115),
                (182, 130),
                (183, 143),
                (186, 153),
                (190, 160),
                (197, 168),
                (205, 174),
                (214, 178),
                (224, 179),
                (234, 178),
                (243, 173),
                (250, 167),
                (256, 160),
                (262, 152),
                (266, 140),
                (269, 125),
                (271, 108),
                (269, 92),
                (266, 75),
                (240, 66),
            ]
        ],
        'l_brow': [[(189, 90), (194, 88), (200, 87), (207, 89), (213, 92), (206, 91), (199, 89.5), (193, 90.5)]],
        'r_brow': [[(238, 93.5), (245, 91.5), (253, 91.5), (258, 93), (263, 96.5), (256, 95), (250, 94), (243, 94)]],
        'l_eye': [[(192, 101), (196, 98), (202, 96.5), (207, 98), (212, 103), (207, 105), (200, 105), (196, 103)]],
        'r_eye': [[(236, 105), (240, 101), (246, 99), (252, 100), (258, 103), (254, 106), (247, 107.5), (241, 107)]],
        'l_ear': [[(170, 116), (180, 112), (182, 131), (178, 131), (174, 127)]],
        'r_ear': [[(270, 122), (281, 124), (277, 132), (273, 136), (268, 137), (267, 132)]],
        'nose': [
            [
                (221, 98),
                (229, 98),
                (231, 108),
                (234, 117),
                (238, 124),
                (237, 130),
                (231, 132),
                (226, 134),
                (219, 132),
                (213, 130),
                (210, 125),
                (214, 117),
                (218, 108),
            ]
        ],
        'mouth': [
            [
                (205, 141),
                (214, 142.5),
                (225, 143),
                (238, 142),
                (244, 141),
                (238, 146),
                (231, 149.5),
                (222, 150),
                (213, 148.5),
            ]
        ],
        'u_lip': [
            [
                (203, 139.5),
                (212, 139),
                (219, 138),
                (225, 139),
                (232, 138),
                (240, 139.5),
                (247, 139.5),
                (238, 142.5),
                (225, 143),
                (213, 142.5),
            ]
        ],
        'l_lip': [
            [
                (206, 143),
                (213, 148.5),
                (222, 150),
                (231, 149.5),
                (240, 145),
                (243, 143),
                (238, 151),
                (231, 155),
                (224, 156),
                (216, 155),
                (211, 151),
            ]
        ],
        'neck': [
            [
                (184, 148),
                (190, 160),
                (197, 168),
                (205, 174),
                (214, 178),
                (224, 179),
                (234, 178),
                (243, 173),
                (250, 167),
                (256, 160),
                (255, 172),
                (253, 190),
                (235, 195),
                (205, 192),
                (186, 185),
            ]
        ],
        'cloth': [
            [
                (185, 148),
                (172, 148),
                (158, 151),
                (144, 154),
                (131, 162),
                (122, 173),
                (117, 184),
                (113, 190),
                (114, 205),
                (100, 215),
                (86, 224),
                (62, 238),
                (48, 258),
                (38, 285),
                (28, 340),
                (20, 400),
                (25, 440),
                (28, 512),
                (28, 900),
                (277, 900),
                (277, 450),
                (284, 420),
                (310, 380),
                (340, 352),
                (364, 346),
                (360, 320),
                (353, 285),
                (346, 265),
                (336, 252),
                (318, 242),
                (304, 236),
                (302, 225),
                (288, 205),
                (275, 190),
                (262, 179),
                (255, 174),
                (253, 184),
                (247, 187),
                (235, 190),
                (222, 188),
                (205, 186),
                (194, 184),
                (188, 178),
                (186, 165),
            ]
        ],
        'hair': [
            [
                (180, 112),
                (178, 121),
                (174, 120),
                (170, 117),
                (166, 113),
                (160, 108),
                (156, 101),
                (154, 90),
                (153, 75),
                (155, 65),
                (160, 57),
                (168, 49),
                (178, 43),
                (188, 40),
                (193, 32),
                (200, 24),
                (210, 19),
                (222, 16),
                (236, 16),
                (250, 20),
                (264, 27),
                (276, 34),
                (286, 40),
                (292, 50),
                (296, 60),
                (298, 74),
                (301, 85),
                (300, 95),
                (297, 105),
                (291, 116),
                (284, 123),
                (276, 128),
                (271, 130),
                (270, 118),
                (270, 105),
                (268, 92),
                (262, 90),
                (252, 86),
                (242, 83),
                (232, 81),
                (220, 81),
                (208, 80),
                (198, 79),
                (191, 75),
                (186, 71),
                (184, 84),
                (181, 100),
            ]
        ],
    },
    'hopper': {
        'skin': [
            [
                (180, 145),
                (175, 165),
                (178, 185),
                (183, 200),
                (188, 230),
                (190, 250),
                (192, 265),
                (195, 280),
                (199, 295),
                (203, 308),
                (208, 318),
                (216, 326),
                (228, 332),
                (245, 335),
                (268, 336),
                (290, 334),
                (308, 329),
                (320, 320),
                (328, 310),
                (333, 295),
                (337, 280),
                (340, 262),
                (342, 240),
                (345, 220),
                (352, 200),
                (358, 185),
                (357, 165),
                (345, 145),
                (320, 126),
                (210, 126),
            ]
        ],
        'l_brow': [
            [
                (183, 168),
                (195, 164),
                (210, 161),
                (225, 159),
                (237, 163),
                (240, 170),
                (228, 167),
                (212, 166),
                (198, 168),
                (186, 172),
            ]
        ],
        'r_brow': [
            [
                (285, 170),
                (288, 161),
                (298, 156),
                (310, 155),
                (323, 157),
                (335, 160),
                (345, 166),
                (330, 165),
                (315, 163),
                (302, 165),
                (292, 169),
            ]
        ],
        'l_eye': [[(203, 193), (208, 187), (217, 183), (227, 186), (236, 192), (228, 196), (215, 197)]],
        'r_eye': [[(286, 190), (293, 184), (302, 180), (312, 183), (320, 189), (312, 194), (300, 195)]],
        'eye_g': [
            [
                (177, 180),
                (182, 177),
                (200, 175),
                (220, 174),
                (240, 178),
                (250, 182),
                (262, 183),
                (278, 182),
                (290, 176),
                (305, 170),
                (325, 168),
                (345, 170),
                (352, 174),
                (356, 180),
                (353, 186),
                (342, 187),
                (341, 200),
                (338, 215),
                (330, 224),
                (318, 228),
                (303, 229),
                (292, 225),
                (284, 213),
                (279, 200),
                (275, 191),
                (262, 189),
                (254, 191),
                (251, 202),
                (246, 214),
                (240, 222),
                (230, 229),
                (218, 231),
                (208, 228),
                (200, 220),
                (193, 205),
                (190, 193),
                (183, 189),
                (179, 185),
            ]
        ],
        'l_ear': [
            [
                (157, 190),
                (163, 187),
                (170, 195),
                (178, 205),
                (184, 225),
                (190, 250),
                (190, 262),
                (183, 270),
                (176, 266),
                (170, 252),
                (165, 235),
                (158, 218),
                (153, 203),
            ]
        ],
        'r_ear': [
            [
                (357, 190),
                (363, 184),
                (370, 184),
                (375, 190),
                (374, 205),
                (369, 225),
                (364, 240),
                (360, 258),
                (356, 268),
                (347, 271),
                (341, 262),
                (342, 245),
                (347, 222),
                (352, 205),
            ]
        ],
        'nose': [
            [
                (258, 193),
                (272, 193),
                (279, 205),
                (285, 220),
                (292, 230),
                (295, 240),
                (290, 247),
                (278, 250),
                (268, 254),
                (258, 250),
                (245, 248),
                (238, 242),
                (240, 233),
                (246, 222),
                (252, 208),
            ]
        ],
        'u_lip': [
            [
                (229, 280),
                (240, 276),
                (252, 273),
                (266, 274),
                (280, 272),
                (295, 275),
                (308, 279),
                (295, 279),
                (280, 279),
                (266, 280),
                (250, 279),
                (238, 280.5),
            ]
        ],
        'l_lip': [
            [
                (232, 281),
                (250, 280),
                (266, 281),
                (282, 280),
                (305, 280),
                (295, 289),
                (282, 294),
                (266, 296),
                (252, 294),
                (240, 288),
            ]
        ],
        'neck': [
            [
                (201, 304),
                (208, 318),
                (216, 326),
                (228, 332),
                (245, 335),
                (268, 336),
                (290, 334),
                (308, 329),
                (320, 320),
                (330, 308),
                (332, 335),
                (315, 370),
                (276, 415),
                (240, 415),
                (200, 365),
            ]
        ],
        'cloth': [
            [
                (203, 314),
                (195, 322),
                (185, 335),
                (170, 343),
                (150, 350),
                (130, 355),
                (110, 360),
                (90, 365),
                (70, 373),
                (54, 383),
                (44, 395),
                (32, 430),
                (24, 490),
                (18, 545),
                (12, 600),
                (12, 900),
                (516, 900),
                (516, 570),
                (510, 480),
                (502, 420),
                (492, 392),
                (470, 381),
                (440, 371),
                (420, 367),
                (400, 360),
                (380, 350),
                (355, 340),
                (340, 325),
                (330, 313),
                (328, 335),
                (315, 358),
                (300, 377),
                (285, 395),
                (276, 406),
                (262, 408),
                (244, 408),
                (230, 392),
                (215, 372),
                (203, 350),
            ]
        ],
        'hair': [
            [
                (180, 147),
                (168, 156),
                (160, 170),
                (156, 188),
                (165, 188),
                (172, 198),
                (179, 205),
                (181, 190),
                (177, 178),
                (179, 165),
                (186, 152),
            ],
            [
                (343, 146),
                (352, 150),
                (360, 158),
                (365, 170),
                (366, 184),
                (358, 189),
                (352, 184),
                (355, 176),
                (353, 165),
                (347, 155),
            ],
            [
                (163, 235),
                (158, 250),
                (161, 268),
                (168, 281),
                (182, 291),
                (198, 299),
                (198, 290),
                (194, 278),
                (191, 266),
                (184, 271),
                (176, 267),
                (170, 253),
            ],
            [
                (341, 265),
                (347, 272),
                (357, 268),
                (362, 256),
                (361, 275),
                (355, 293),
                (345, 304),
                (335, 307),
                (331, 303),
                (335, 290),
                (338, 278),
            ],
        ],
        'hat': [
            [
                (147, 184),
                (147, 150),
                (150, 120),
                (155, 104),
                (165, 90),
                (173, 84),
                (175, 78),
                (180, 65),
                (192, 52),
                (205, 45),
                (217, 41),
                (220, 32),
                (230, 26),
                (245, 23),
                (262, 22),
                (280, 26),
                (293, 33),
                (300, 41),
                (315, 46),
                (332, 54),
                (346, 68),
                (351, 80),
                (353, 88),
                (361, 86),
                (366, 95),
                (370, 115),
                (372, 140),
                (370, 165),
                (367, 181),
                (362, 168),
                (355, 157),
                (345, 146),
                (333, 139),
                (318, 134),
                (300, 131),
                (270, 132),
                (240, 132),
                (215, 135),
                (197, 141),
                (180, 149),
                (168, 160),
                (158, 173),
                (152, 185),
            ]
        ],
    },
}
# How far portraits lie from where `FacePath` rests; pictures of CelebA-HQ differ about as much.
_PLACES = {'shift': 0.08, 'rotation': 10, 'zoom': 1.15, 'deformation': 0.02}
_FINER = 8


@dataclass(frozen=True)
class MaskSummary:
    """What was written: the folder, pictures of each split."""

    root: Path
    train_pictures: int
    test_pictures: int


def write_sample_masks(root, pictures=48, test_pictures=12, image_size=192, seed=0):
    """Write the data set of labelled portraits.

    Args:
        root: folder to make; one that this function or `sample_data` made is replaced.
        pictures, test_pictures: pictures of each split, the portraits in turn.
        image_size: side of the pictures in pixels; masks have half of it, as in CelebAMask-HQ.
        seed: other seeds give other places.

    Returns:
        MaskSummary

    Raises:
        UserError: ``root`` holds something else, or a number is too small.
    """
    for name, value in (('pictures', pictures), ('test_pictures', test_pictures), ('image_size', image_size)):
        require(
            isinstance(value, int) and value > 0,
            'sample data',
            f'{name} is {value!r}; it must be a whole number from 1 on',
        )
    require(image_size % 2 == 0, 'sample data', f'image_size is {image_size}; it must be even')
    faces = portraits()
    with replacing_data(root, source='labelled portraits', size=image_size, seed=seed) as partial:
        for split_index, (split, count) in enumerate((('train', pictures), ('test', test_pictures))):
            for number in range(count):
                face = faces[number % len(faces)]
                rng = np.random.default_rng((seed, split_index, number))
                path = FacePath(face.landmarks, image_size, rng, **_PLACES)
                _write_picture(partial / split, number, face, path, rng.random())
    return MaskSummary(Path(root), pictures, test_pictures)


def draw_masks(face_name, path, time, size):
    """Masks of a portrait's parts, {part: (size, size) bool}, in the picture at ``time`` of a `FacePath`."""
    fine = size * _FINER
    to_mask = resize_matrix(fine / path.size, fine / path.size)
    masks = {}
    for part, polygons in OUTLINES[face_name].items():
        canvas = np.zeros((fine, fine), np.uint8)
        for polygon in polygons:
            points = transform_points(path.points_at(np.array(polygon, dtype=np.float64), time), to_mask)
            cv2.fillPoly(canvas, [np.rint(points).astype(np.int32)], 255)
        masks[part] = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA) > 127
    return masks


def _write_picture(root, number, face, path, time):
    (root / IMAGES).mkdir(parents=True, exist_ok=True)
    write_frame(root / IMAGES / f'{number}.jpg', path.render(face.photo, time))
    for part, mask in draw_masks(face.name, path, time, path.size // 2).items():
        if mask.any():
            file = mask_path(root, number, part)
            file.parent.mkdir(parents=True, exist_ok=True)
            write_frame(file, np.repeat(mask[..., np.newaxis], 3, axis=2).astype(np.uint8) * 255)
