"""One module for each kind of panel, and what they share: axes and legends."""
