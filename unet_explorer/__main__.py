"`python -m unet_explorer`: the command line where a module is asked for, as by `torchrun -m`."

import sys

from unet_explorer.cli import main

if __name__ == "__main__":
    sys.exit(main())
