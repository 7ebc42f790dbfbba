"""BasicSR's own training: python train.py -opt ts_vqgan.yml"""

from pathlib import Path

import pgtf_basicsr  # first: it lets BasicSR import on current torch
from basicsr.train import train_pipeline

if __name__ == '__main__':
    train_pipeline(str(Path(__file__).parent.resolve()))
