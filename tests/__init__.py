"""All tests; the folders mirror those that they test. bench/ measures what things cost.

May import everything; nothing imports the tests. Tracing for coverage begins with the first import,
or it would miss the application's; not in a process of its own that a test starts.
"""

import sys

if "pytest" in sys.modules:
    from tests import traced as traced
