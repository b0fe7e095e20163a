"""What the whole bundle needs at a size: formulas over the catalogue and measured constants.

`python -m stack capacity` prints it. Imports the catalogue and settings of app, and nothing of the
rest of the stack.
"""
