"""A step function with its arguments: its trajectory, its Jacobians, their products along it.

It imports only `rnnjac._support` and `rnnjac.linalg`, and knows no cell.
"""
