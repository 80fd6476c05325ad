"""python -m wpg.cli: the program wpg."""

from wpg.cli import program

program()
