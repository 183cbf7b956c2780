"""What every other module of the library may use: checks, compilation, batching, precision.

Nothing in here knows what it is used for, and it imports nothing of the library.
"""
