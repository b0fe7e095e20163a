"""All tests; the folders mirror those that they test. bench/ measures what things cost.

May import everything; nothing imports the tests.
"""
