"""Real parts wherever they can be had; mocks for clocks and faults alone.

Tracing begins with the first import, or it would miss those of the application.
"""

from tests import traced as traced
