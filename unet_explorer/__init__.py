"""Learn U-Net, EfficientNet and PixelShuffle by building them, and segment your own pictures.

`import unet_explorer as ux` is instant: each name is loaded when it is used for the first time.
The names and where they come from stand in `__init__.pyi`, which type checkers read, too."""

__version__ = "0.1.0"

import warnings as _warnings

import lazy_loader as _lazy

# fastai compiles two functions when it is imported, in a way that torch calls deprecated since 2.14.
# Nobody who reads that here can change it.
_warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
