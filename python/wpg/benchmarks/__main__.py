"""The comparison with other libraries, in the process that `run_peers` starts for it:
`python -m wpg.benchmarks OPTIONS [FILE]`, OPTIONS in JSON.
"""

import sys

from wpg.benchmarks.peers import main

__all__: list[str] = []

sys.exit(main(sys.argv[1:]))
