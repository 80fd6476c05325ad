"""python -m wpg.cli: the program wpg."""

import sys

from wpg.cli import main

sys.exit(main())
