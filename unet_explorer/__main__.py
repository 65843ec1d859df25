"`python -m unet_explorer`: the command line where a module is asked for, as by `torchrun -m`."

import os
import sys

from unet_explorer.cli import main


def leave(code):
    "End; one of several processes at once, since threads of gloo abort an orderly end now and then."
    if os.environ.get("WORLD_SIZE", "1") not in ("", "0", "1"):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)
    sys.exit(code)


if __name__ == "__main__":
    leave(main())
