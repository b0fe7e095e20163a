"""The local stack: finding its tools, starting it, asking it, stopping it.

May import all other folders; none of them imports the stack.
"""
