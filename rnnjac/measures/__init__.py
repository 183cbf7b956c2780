"""What there is to find out about a network: spectra, exponents, reach and other measures.

Everything below training may be imported here; `observables`, which knows arrays alone, imports
only `rnnjac._support`.
"""
