"""Seeds x environments x settings: many runs, each what `wpg train` gives, in one folder.

sweep.json            what was asked for
ENV/LABEL/seedK/      run folders (`wpg.runs`)
ENV/LABEL/seedK.log   what a run printed, if it printed anything
sweep.csv             one row a run
.lock                 held by the process that the sweep belongs to
"""

from wpg.sweep.request import Request, Series, choose_folder, run_folders
from wpg.sweep.sweep import sweep

__all__ = ["Request", "Series", "choose_folder", "run_folders", "sweep"]
