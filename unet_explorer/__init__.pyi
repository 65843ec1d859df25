# The face of the library: what `import unet_explorer as ux` offers, and where it comes from.
from .anomaly import anomaly_map, fit_normal, pick_threshold
from .batches import dataloaders
from .contracts import InputError
from .data import catalogue, load, load_pairs, meta, sample, split
from .deploy import Segmenter, to_onnx
from .effunet import EffUNet, restore, save
from .sliders import explore
from .images import (
    error_overlay,
    load_image,
    load_mask,
    overlay,
    save_image,
    save_mask,
    show_grid,
)
from .metrics import evaluate
from .train import fit, learner

__version__: str
