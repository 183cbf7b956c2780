"""`python -m rnnjac`, as `rnnjac` on the command line."""

import sys

from rnnjac.command_line.run import main

if __name__ == "__main__":
    sys.exit(main())
