"""Tolerances of all tests, as multiples of eps (``jnp.finfo(dtype).eps``), each with its derivation."""

# --- activations ---
# First order, in eps, exp right to 2: p = e^{-|x|} has 2; 2p / (1 + p^2) adds 0.25 (p p), 0.5 (sum)
# and 0.5 (quotient) to them; the square doubles the 3.25 and adds 0.5. The other slopes need less.
ACTIVATION_SLOPE = 7
# Second derivatives multiply a slope by a value of tanh (8, measured for XLA) and round twice more.
ACTIVATION_CURVATURE = 17
# Values: the vendor's tanh, log1p and exp (8 at worst) and two roundings.
ACTIVATION_VALUE = 10

# --- elman ---
# Dot products of at most 5 entries of order 1 to 3, and the activation (10) on top.
ELMAN_STEP = 40

# --- initializers ---
# A mean of N draws is normal with a known deviation; 5 of them are passed once in 2 million.
STATISTICAL_SIGMAS = 5
# Compiled and eager draws differ by the fusing of a few roundings, relative to the largest entry;
# eigenvalues of a 4 by 4 matrix (the radius of the sparse start) move it by tens of eps.
REDRAWN_WEIGHT = 50
# Householder QR: |Q^T Q - I| a small multiple of n^(1/2) eps per entry, n <= 6, gain^2 = 4.
ORTHOGONALITY = 40
# Eigenvalues of a random n by n matrix, in n eps: backward error a few, condition numbers to ~10.
EIGENVALUE = 30

# --- bounds ---
# LAPACK singular values of an n by n matrix, in n eps relative to the largest (a small constant).
SINGULAR_VALUE = 5
# In h^2, h = eps^(1/3): third derivative / 6 of the function along a direction of order 1, and the
# rounding error (eps / h = h^2) times the eigenvalue constant.
CENTRAL_DIFFERENCE = 50

# --- observables ---
# Sums of 5 terms of order 1 to 8, one division; relative to the result, and to its slope if larger.
OBSERVABLE = 40

# --- oracles ---
# In float64 eps under either setting. The stored log is rounded once; a closed form takes a log, a
# product and a sum.
ORACLE_ROUNDING = 4
# LAPACK's backward errors are modest multiples of n eps times the condition stated in the test.
ORACLE_BACKWARD = 10
