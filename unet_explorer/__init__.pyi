# The face of the library: what `import unet_explorer as ux` offers, and where it comes from.
# `as` says to type checkers that a name is handed on.
from .anomaly import anomaly_map as anomaly_map
from .anomaly import fit_normal as fit_normal
from .anomaly import pick_threshold as pick_threshold
from .batches import dataloaders as dataloaders
from .contracts import InputError as InputError
from .data import catalogue as catalogue
from .data import leaks as leaks
from .data import load as load
from .data import split as split
from .deploy import Segmenter as Segmenter
from .deploy import to_onnx as to_onnx
from .effunet import EffUNet as EffUNet
from .effunet import restore as restore
from .effunet import save as save
from .files import load_image as load_image
from .files import load_mask as load_mask
from .files import open_image as open_image
from .images import error_overlay as error_overlay
from .images import overlay as overlay
from .images import save_image as save_image
from .images import save_mask as save_mask
from .images import show_grid as show_grid
from .inspection import find_folder as find_folder
from .inspection import fit_folder as fit_folder
from .measure import measure_mask as measure_mask
from .measure import measure_objects as measure_objects
from .metrics import evaluate as evaluate
from .own_model import train_and_report as train_and_report
from .pairs import load_pairs as load_pairs
from .processes import together as together
from .repair import doctor as doctor
from .rows import meta as meta
from .rows import sample as sample
from .segmentation import segment_folder as segment_folder
from .sliders import explore as explore
from .strokes import load_head as load_head
from .strokes import paint as paint
from .train import Training as Training
from .train import fit as fit
from .train import learner as learner

__version__: str
