"""Products of matrices of any range: their factors, their spectra, their rounding errors.

It knows arrays alone, nothing recurrent, and imports only `rnnjac._support`.
"""
